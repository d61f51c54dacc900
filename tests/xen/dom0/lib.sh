# shellcheck shell=bash disable=SC2034
# lib.sh - what a case in dom0 is written with: start the daemon and guests, wait
# for them, check, and see that nothing is left behind. Sourced by the payload's
# `run` before the case. A check that fails is counted and the case goes on; die
# ends it.
# shellcheck source=/dev/null
. /payload/env

share=/srv/share
failures=0
say() { echo "LAB: $(cut -d' ' -f1 /proc/uptime) $*"; }
ok() { say "ok: $*"; }
bad() { say "FAIL: $*"; failures=$((failures + 1)); }
die() { bad "$*"; finish; }
# check TEXT COMMAND...
check() {
    local text=$1 out
    shift
    if out=$("$@" 2>&1); then ok "$text"; else bad "$text: $(tail -n 5 <<< "$out" | tr '\n' ' ')"; fi
}
# equal TEXT IS SHOULD
equal() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1: '$2' instead of '$3'"; fi; }
now_ms() { local t _; read -r t _ < /proc/uptime; echo $((10#${t/./}0)); }
# soon COMMAND...: true within 10 s. For what the other side does on its own.
soon() {
    local i
    for ((i = 0; i < 50; i++)); do
        "$@" > /dev/null 2>&1 && return 0
        sleep 0.2
    done
    return 1
}
dmesg -C                                # what dom0's kernel says from here on is about the case
# Every change of a 9pfs node, both sides, with times.
xs watch 9p /local/domain > /results/watch.txt 2>&1 &
case $(echo /usr/lib/xen-4.*) in *4.17) xen=417 ;; *) xen=420 ;; esac

kernel_alarms='BUG|Oops|WARNING|Bad page|Call Trace|blocked for more than|rcu.*stall'
# finish: the end of every case.
finish() {
    dmesg > /results/dmesg.txt
    ! grep -qE "$kernel_alarms" /results/dmesg.txt || bad "dom0's kernel: $(grep -m1 -E "$kernel_alarms" /results/dmesg.txt)"
    compgen -G '/results/core.*' > /dev/null && bad "something crashed: $(cd /results && echo core.*)"
    xenstore-ls -f 2>/dev/null | grep -a 9p > /results/xenstore-end.txt
    if [ $failures = 0 ]; then say "case passed"; exit 0; fi
    say "case FAILED ($failures)"
    ps axf > /results/ps-end.txt
    exit 1
}

# --------------------------------------------------------------- the daemon
daemon='' state_dir=/run/xen9pfsd
# start_daemon [OPTION...]: in dom0; exports $share unless told otherwise. Its log goes on where
# that of the one before ended.
start_daemon() {
    [ -e /payload/xen9pfsd ] || { say "no daemon: QEMU is the backend"; return 0; }
    # The guests' work makes devices, in the model none, too.
    [ $# -gt 0 ] || set -- --export "$share" --special-files nodes
    say "xen9pfsd $*"
    [ -z "$LAB_CRASH" ] || export XEN9PFSD_CRASH=$LAB_CRASH
    /payload/xen9pfsd "$@" --log-level "$LAB_LOG" >> /results/daemon.log 2>&1 < /dev/null &
    daemon=$!
    xs wait 30 /local/domain/0/libxl/xen-9pfs/state running || die "the daemon does not announce itself"
}
# All its processes: supervisor, launcher and shares', whatever they call themselves.
daemon_processes() {
    local p n=0
    for p in /proc/[0-9]*; do
        [[ $(readlink "$p/exe") != */xen9pfsd* ]] || n=$((n + 1))
    done
    echo $n
}
no_shares() { [ "$(daemon_processes)" = 2 ]; }
# In the state directory, besides what the daemon has for itself.
sessions() {
    local f
    for f in "$state_dir"/*; do
        case ${f##*/} in lock | control.sock | launcher.sock | '*') ;; *) echo "${f##*/}" ;; esac
    done
}
daemon_alive() { [ -z "$daemon" ] || kill -0 "$daemon" 2>/dev/null || bad "the daemon died"; }
# end_daemon SIGNAL
end_daemon() {
    daemon_alive
    kill "-$1" "$daemon" 2>/dev/null
    # not for ever, should it ignore the signal
    soon eval "! kill -0 $daemon" || { bad "the daemon ignores SIG$1"; kill -KILL "$daemon"; }
    wait "$daemon"
    equal "the daemon's exit status" $? 0
    daemon=''
}
# The end: shares are closed.
stop_daemon() {
    [ -n "$daemon" ] || return 0
    grep -E '^(VmHWM|VmRSS|Threads)' "/proc/$daemon/status" > /results/daemon-memory.txt 2>/dev/null
    ls -l "/proc/$daemon/fd" > /results/daemon-fds.txt 2>/dev/null
    end_daemon INT
    equal "processes it left" "$(daemon_processes)" 0
    equal "sessions it left" "$(sessions)" ""
    check "it takes its announcement back" eval '! xenstore-exists /local/domain/0/libxl/xen-9pfs/state'
}

# ------------------------------------------------------------------- guests
# p9 TAG PATH [KEY=VALUE,...]: one item for a p9= line
p9() { echo "\"tag=$1,path=$2,security_model=none${3:+,$3}\""; }

# ramdisk FILE MAIN [FILE...]: an initramfs that runs MAIN, with more files in /lab
ramdisk() {
    local out=$1 main=$2 t
    shift 2
    t=$(mktemp -d)
    mkdir "$t/lab"
    cp "$main" "$t/lab/main"
    cp /payload/env /payload/guest/*.sh "$@" "$t/lab/"
    cp /lab/domu.cpio "$out"
    (cd "$t" && find . | busybox cpio -o -H newc 2>/dev/null) >> "$out"
    rm -rf "$t"
}

# config NAME RAMDISK [P9-ITEM...]: a guest's configuration. guest_mem and
# guest_args change it.
config() {
    local name=$1 ramdisk=$2 items
    shift 2
    cat <<CFG
name = "$name"
type = "pv"
kernel = "/lab/vmlinux"
ramdisk = "$ramdisk"
extra = "console=hvc0 quiet loglevel=4 mitigations=off nowatchdog rodata=off cryptomgr.notests panic=1 ${guest_args:-}"
memory = ${guest_mem:-256}
vcpus = 1
on_poweroff = "destroy"
on_reboot = "destroy"
on_crash = "destroy"
CFG
    items=$(printf '%s, ' "$@")
    [ $# = 0 ] || echo "p9 = [ ${items%, } ]"
}

# create CFG [OPTION...]: xl create. Leaves the domid in $domid; the guest's console comes
# out on ours, line by line, and in /results.
create() {
    local cfg=$1 name log took
    shift
    name=$(sed -n 's/^name = "\(.*\)"/\1/p' "$cfg")
    log=/var/log/xen/console/guest-$name.log
    [ ! -e "$log" ] || mv "$log" "$log.$((++old_logs))"     # of a guest of the same name before
    took=$(now_ms)
    say "xl create $name: $(grep '^p9' "$cfg")"
    cp "$cfg" /results/
    xl create -q "$@" "$cfg" || die "xl create $name fails"
    took=$(($(now_ms) - took))
    domid=$(xl domid "$name")
    say "xl create $name: domain $domid after $took ms"
    console_logs[domid]=$log
    { tail -n +1 -F "$log" 2>/dev/null | sed -u "s/^/[$name] /"; } &
}
old_logs=0
console_logs=()

# finished DOMID [SECONDS]: wait for a guest's end and check its verdict.
finished() {
    local rc
    xs wait "${2:-300}" "/local/domain/$1" || { bad "domain $1 does not end"; xl destroy "$1"; }
    sleep 0.2
    cp "${console_logs[$1]}" "/results/console-$1.txt"
    rc=$(sed -n 's/.*LAB-GUEST-RC=\([0-9]*\).*/\1/p' "${console_logs[$1]}" | tail -1)
    guest_rc=${rc:-98}
    equal "domain $1 reports" "${rc:-nothing}" 0
    [ "$guest_rc" = 0 ]
}

# run_guest NAME MAIN P9-ITEM...: all of it, for a guest that does its work and ends.
run_guest() {
    local name=$1 main=$2
    shift 2
    # guest_files: more files for /lab
    # shellcheck disable=SC2086
    ramdisk "/tmp/$name.cpio" "$main" ${guest_files:-}
    config "$name" "/tmp/$name.cpio" "$@" > "/tmp/$name.cfg"
    create "/tmp/$name.cfg"
    finished "$domid"
}

# destroy DOMID: xl destroy, which must not run into one of libxl's 10 s limits.
destroy() {
    local t
    t=$(now_ms)
    check "xl destroy $1" xl destroy "$1"
    t=$(($(now_ms) - t))
    say "xl destroy $1 took $t ms"
    [ $t -lt 8000 ] || bad "xl destroy $1 took $t ms: it waited for the backend"
}

# confined COUNT: so many workers serve, behind all walls, as docs/security.md has it.
confined() {
    local p workers
    mapfile -t workers < <(pgrep -x xen9pfsd-share)
    equal "workers" ${#workers[@]} "$1"
    for p in "${workers[@]}"; do
        equal "worker $p: capabilities, new privileges, seccomp" \
            "$(sed -n -E 's/^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):\t0*//p' "/proc/$p/status" | tr '\n' ' ')" \
            " 80000db 80000db   1 2 "
        equal "worker $p: own number" "$(awk '/^NSpid:/ { print $3 }' "/proc/$p/status")" 1
        equal "worker $p: root directory" "$(ls "/proc/$p/root/")" proc
        equal "worker $p: descriptors of gntdev" "$(find "/proc/$p/fd" -lname '*gntdev*')" ""
    done
    equal "walls that cannot be had" "$(grep 'cannot be had here' /results/daemon.log)" ""
}

# ------------------------------------------------------------ nothing is left
# grants BACKEND: how many grants this domain has mapped, without the two that
# every guest has for console and xenstore (refs 0 and 1, in dom0).
grants() {
    xl dmesg -c > /dev/null
    xl debug-keys g
    xl dmesg > /tmp/grants
    awk -v d="$1" '/^\(XEN\) \[0x/ { ref = strtonum(substr($2, 2)); if (ref > 1 && $3 == d) n++ } END { print n + 0 }' /tmp/grants
}
no_zombies() { ! xl list | grep -qE '\(null\)|[-r][-b][-p][-s][-c]d '; }
# nothing_left DOMID...: of guests that have ended; backend_domain if not dom0
nothing_left() {
    local d be=${backend_domain:-0}
    for d in "$@"; do
        check "domain $d is gone" soon eval "! xl domname $d"
        check "no backend nodes of domain $d" eval "! xenstore-ls -f /local/domain/$be/backend | grep -E '/(xen_)?9pfs/${d}[ /]'"
    done
    check "no zombie domain" soon no_zombies
    equal "mapped grants of domain $be" "$(grants "$be")" 0
    daemon_alive
    [ -z "$daemon" ] || check "no process of a share is left" soon no_shares
}

# --------------------------------------------------------- a driver domain
# start_driver_domain [FILE...]: a PV domain that gets the export's disk and runs the
# daemon; more files for its /lab. Afterwards $backend_domain is its domid.
start_driver_domain() {
    ramdisk /tmp/drvdom.cpio /payload/guest/driver.sh /payload/xen9pfsd "$@"
    {
        guest_mem=192 config drvdom /tmp/drvdom.cpio
        echo 'driver_domain = 1'
        echo "disk = [ 'format=raw,backendtype=phy,script=block-lab,vdev=xvda,access=rw,target=/dev/ram0' ]"
    } > /tmp/drvdom.cfg
    create /tmp/drvdom.cfg
    backend_domain=$domid
    xs wait 60 "/local/domain/$backend_domain/data/lab" ready || die "the driver domain does not get ready"
}
in_driver_domain() { in_guest "$backend_domain" "$@"; }
stop_driver_domain() {
    in_driver_domain stop
    finished "$backend_domain" 60
    backend_domain=''
}
# in_guest DOMID COMMAND...: by the shell of a guest that obeys (guest/lib.sh); what it prints and its
# exit status become ours. "stop": the guest goes on with what comes behind.
in_guest() {
    local d=/local/domain/$1/data
    shift
    xs wait 600 "$d/idle" yes || return 99
    xenstore-write "$d/order" "$*"
    xenstore-rm "$d/idle"
    [ "$*" != stop ] || return 0
    xs wait 600 "$d/idle" yes || return 99
    xenstore-read -R "$d/output"
    return "$(xenstore-read "$d/status")"
}

# ---------------------------------------------------- guest/work.sh's host side
# prepare_work DIR: what the guest looks for on the share
prepare_work() {
    mkdir -p "$1/from-host/deep/er"
    echo "made by the host" > "$1/from-host/deep/er/file"
    chmod 604 "$1/from-host/deep/er/file"
    chown 1000:100 "$1/from-host/deep/er/file"
    ln -s /etc/hostname "$1/from-host/link"
}
# verify_work DIR: the host finds what the guest says it made
verify_work() {
    (
        cd "$1" && export HOME=/root
        git config --global safe.directory '*'
        check "host: checksums" md5sum --quiet -c sums
        # the guest committed one change on top of the tree, in one file
        equal "host: tree" "$(tar -df /payload/tree.tar -C clone 2>&1 | grep -cE 'Size differs|Contents differ')" 1
        check "host: git fsck" git -C clone fsck --strict
        equal "host: git log" "$(git -C tree log --format=%s | tr '\n' ,)" "a change,the tree,"
        equal "host: database" "$(sqlite3 db 'PRAGMA integrity_check; SELECT count(*) FROM t')" $'ok\n40'
        equal "host: link" "$(readlink dangling)" ../no/where
        equal "host: mode" "$(stat -c %a script)" 755
        exit $failures
    )
    failures=$?
}
