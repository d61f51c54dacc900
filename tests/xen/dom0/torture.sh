# shellcheck shell=bash
# torture.sh - deaths of the daemon's processes under a guest that judges every
# result, for cases that source lib.sh. The daemon runs, or the driver domain.
# LAB_KILLS is how many processes die in a case.
# shellcheck disable=SC2154,SC2034 # variables of lib.sh, and for the cases
kills=${LAB_KILLS:-60}

# on_host COMMAND...: where the daemon is; its programs lie in $lab, its log is $log.
on_host() { if [ -n "${backend_domain:-}" ]; then in_driver_domain "$@"; else sh -c "$*"; fi; }
lab=/payload log=/results/daemon.log
[ -z "${backend_domain:-}" ] || lab=/lab log=/tmp/daemon.log

stage() { xs wait 300 "/local/domain/$domid/data/lab" "$1" || die "the guest does not get to '$1'"; }
proceed() { xenstore-write "/local/domain/$domid/data/dom0" "$1"; }

daemon_status() { on_host "$lab/xen9pfsd status" | grep "^guest=$domid "; }
serves() { daemon_status | grep -q 'state=connected .*process=serving'; }
standby_waits() { on_host "pgrep -x xen9pfsd-stand"; }
# How many descriptors keeper and worker have.
descriptors() { on_host "ls /proc/$(daemon_status | sed -n 's/.*keeper=\([0-9]*\).*/\1/p')/fd | wc -l"; }

# tortured [TORTURE-OPTION...]: a guest, whose processes work when this returns.
tortured() {
    torture_options="$*"
    on_host "rm -rf $share/load"
    ramdisk /tmp/guest.cpio /payload/guest/torture.sh /payload/torture
    guest_args="lab.torture=${torture_options// /,}" config guest /tmp/guest.cpio \
        "$(p9 share "$share" ${backend_domain:+backend=drvdom})" > /tmp/guest.cfg
    create /tmp/guest.cfg
    stage mounted
    descriptors_before=$(descriptors) grants_before=$(grants "${backend_domain:-0}")
    say "$descriptors_before descriptors, $grants_before grants"
    proceed mounted
    stage working
    [[ $torture_options = *no-locks* ]] ||
        on_host "$lab/torture peer $share/load > /tmp/peer 2>&1 & echo \$! > /tmp/peer.pid"
    say "=== the guest works"
}

# kill_processes COUNT MIN MAX WHAT...: see tests/lib/killer.c.
kill_processes() {
    local told
    told=$(on_host "$lab/killer $state_dir $*") || bad "nothing to kill: $told"
    say "$told"
}

# The same in the background, in dom0, until it is told to end.
kills_begin() {
    /payload/killer "$state_dir" 100000 "$@" > /tmp/kills &
    killer=$!
}
kills_end() {
    kill -TERM "$killer"
    wait "$killer" || bad "nothing to kill"
    say "$(cat /tmp/kills)"
}

# state_changes PATH: how often the node has changed after it was 4.
state_changes() {
    awk -v node="$1/state" '$2 == node { if (seen && $4 != 4) n++; if ($4 == 4) seen = 1 } END { print n + 0 }' /results/watch.txt
}
states_stayed() {
    local back=/local/domain/${backend_domain:-0}/backend/9pfs/$domid/0 front=/local/domain/$domid/device/9pfs/0
    equal "states" "$(xenstore-read "$back/state" "$front/state" | tr '\n' ' ')" "4 4 "
    equal "changes of the backend's state" "$(state_changes "$back")" 0
    equal "changes of the frontend's state" "$(state_changes "$front")" 0
}

# The log's lines about deaths and successors, in numbers.
deaths() { on_host "grep -c 'was killed by signal' $log"; }
successors() {
    # xenstore-write has its own idea of backslashes
    on_host "grep -o 'serves, after [0-9]*' $log" | sort -n -k 3 |
        awk '{ v[NR] = $3 } END { if (NR) print NR " successors served after " v[int((NR + 1) / 2)] " ms (median), " v[NR] " ms (longest)" }'
}

# The load ends: nobody may have noticed anything.
torture_ends() {
    local complaints counted
    states_stayed
    [ "$(deaths)" -gt 0 ] || bad "nobody has died"
    say "$(deaths) deaths; $(successors)"
    complaints=$(on_host "grep -E 'given up|damaged|failed|is lost|cannot' $log | grep -v 'walls around its process'")
    equal "complaints of the daemon" "$complaints" ""
    if [[ $torture_options != *no-locks* ]]; then
        # shellcheck disable=SC2016
        on_host 'kill -TERM $(cat /tmp/peer.pid); while kill -0 $(cat /tmp/peer.pid) 2>/dev/null; do sleep 0.2; done; cat /tmp/peer' > /tmp/peer.out
        say "$(cat /tmp/peer.out)"
        check "the host's side of the locks" grep -q 'errors=0 ' /tmp/peer.out
    fi
    proceed working
    stage resting
    # what the guest has open now is what it had before
    equal "too many descriptors" "$(($(descriptors) > descriptors_before + 4))" 0
    [ "${standby:-}" ] || equal "mapped grants" "$(grants "${backend_domain:-0}")" "$grants_before"
    proceed resting
    finished "$domid"
    say "$(grep -aE '^all +operations' "/results/console-$domid.txt" | tr -d '\r')"
    if [[ $torture_options != *no-locks* ]]; then
        counted=$(on_host "od -An -tu8 -j200 -N8 $share/load/locks-0/file" | tr -d ' ')
        equal "times that the lock was held" "$counted" \
            "$(awk -F= '/^(locks|peer)-/ { n += $NF } END { print n + 0 }' /tmp/peer.out "/results/console-$domid.txt")"
    fi
    nothing_left "$domid"
}
