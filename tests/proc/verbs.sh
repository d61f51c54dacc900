#!/bin/bash
# What an administrator may ask of a running daemon: status and detach (upgrade.sh has the third).
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

# refused PATTERN VERB...: exit status not 0, and a line that says why.
refused() {
    local pattern=$1 status=0
    shift
    verb "$@" >"$work/out" 2>&1 || status=$?
    [ $status != 0 ] || fail "accepted: $*"
    [ $status -lt 124 ] || fail "exit status $status: $*"
    grep -q -- "$pattern" "$work/out" || fail "$(cat "$work/out")"
}

test_without_a_daemon_verbs_say_so() {
    for word in status detach upgrade; do
        refused "no daemon is running for $bus/xen9pfsd" $word
    done
    daemon_start
    kill_hard "$daemon_pid"
    refused "no daemon is running for $bus/xen9pfsd" status
    daemon_again
    verb status
}

test_status_has_a_line_for_each_share() {
    daemon_start
    [ -z "$(verb status)" ] || fail "$(verb status)"
    mkdir "$share/1" "$share/2"
    sim --domid 1 --path "$share/1" attach --wait
    sim --domid 2 --devid 3 --kind xen_9pfs --path "$share/2" attach --wait
    hold guest.out --domid 1
    verb status >"$work/status"
    [ "$(wc -l <"$work/status")" = 2 ] || fail "$(cat "$work/status")"
    grep -qE "^guest=1 dev=0 kind=9pfs state=connected since=[-0-9]+T[:0-9]+Z process=serving \
keeper=$(keepers) restarts=0$" "$work/status" || fail "$(cat "$work/status")"
    grep -qE '^guest=2 dev=3 kind=xen_9pfs state=waiting since=[^ ]* process=none ' \
        "$work/status" || fail "$(cat "$work/status")"
}

test_status_counts_keepers_that_were_replaced() {
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    # Seen by the daemon as one death, not one after the other.
    kill -STOP "$daemon_pid"
    kill -KILL "-$(keepers)"
    await "they are dead" no_shares
    kill -CONT "$daemon_pid"
    await_log 'served by keeper'
    verb status | grep -q " restarts=1$" || fail "$(verb status)"
}

# What a guest writes into its nodes stands nowhere in a line.
test_status_shows_nothing_of_a_guests() {
    daemon_start
    sim --path "$share" attach --wait
    sim xs-write "$(front_dir 1)/version" $'1\n\e[31mred'
    set_front_state 1 3
    await_log 'version is not 1'
    [ "$(verb status | wc -l)" = 1 ] || fail "$(verb status)"
    ! verb status | grep -q red || fail "$(verb status)"
}

test_detach_closes_all_and_the_daemon_goes_on() {
    local first
    daemon_start
    mkdir "$share/1" "$share/2"
    sim --domid 1 --path "$share/1" attach --wait
    sim --domid 2 --path "$share/2" attach --wait
    hold guest.out --domid 1
    first=$pid
    verb detach >"$work/out" || fail "$(cat "$work/out")"
    [ "$(sort "$work/out")" = "$(printf 'guest %d dev 0: closed\n' 1 2)" ] ||
        fail "$(cat "$work/out")"
    for domid in 1 2; do
        [ "$(back_state $domid)" = 6 ] || fail "guest $domid: state $(back_state $domid)"
    done
    ! finish "$first" || fail "the guest did not notice"
    no_shares || fail "there is a process left"
    await "nothing of the guest is in use" usage_is_zero 1
    verb status | grep -q '^guest=1 .* detached$' || fail "$(verb status)"
    visit 3 ls >/dev/null || fail "the daemon does not serve new devices"
}

test_detach_of_one_leaves_the_others() {
    local other
    daemon_start
    mkdir "$share/1" "$share/2"
    load load.out --domid 1 --path "$share/1" -- -s 3600 -n 8 -f 8M mixed
    other=$pid
    sim --domid 2 --devid 1 --path "$share/2" attach --wait
    hold guest.out --domid 2 --devid 1
    await_back 4 1
    verb detach 2/1 >"$work/out" || fail "$(cat "$work/out")"
    [ "$(cat "$work/out")" = 'guest 2 dev 1: closed' ] || fail "$(cat "$work/out")"
    [ "$(back_state 2 9pfs 1)" = 6 ] || fail "state $(back_state 2 9pfs 1)"
    load_end load.out "$other"
}

test_detach_of_what_is_not_there_is_refused() {
    daemon_start
    sim --path "$share" attach --wait
    refused '^9/9: no such device$' detach 9/9
    refused '^9/9: no such device$' detach 1/0 9/9
    [ "$(back_state 1)" = 6 ] || fail "the one that is there stays open"
    refused 'unexpected argument "1"' detach 1
    refused 'unexpected argument "1/0x"' detach 1/0x
    refused 'unexpected argument "now"' status now
}

test_detached_device_stays_closed() {
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    verb detach 1/0 >/dev/null
    for round in again daemon_leave daemon_stop; do
        set_front_state 1 1
        sleep 0.3
        [ "$(back_state 1)" = 6 ] || fail "$round: state $(back_state 1)"
        [ "$round" = again ] || { $round; daemon_again; }
        [ "$(back_state 1)" = 6 ] || fail "$round: state $(back_state 1)"
    done
    # The toolstack may remove it, and make another.
    sim detach >/dev/null || fail "libxl would wait in vain"
    nothing_left 1
    visit 1 ls >/dev/null || fail "a new device is not served"
}

test_detached_device_of_a_driver_domain_is_not_removed() {
    daemon_begin --bus "sim:$bus@3" --export "$share"
    await "the daemon serves" serves_or_ended
    sim --backend 3 --path "$share" attach --wait
    timeout -k 10 "$guard" "$daemon" --bus "sim:$bus@3" detach >/dev/null
    sleep 0.3
    back_nodes 3 | grep -q '/1/0/state = "6"' || fail "$(back_nodes 3)"
    sim --backend 3 detach >/dev/null || fail "libxl would wait in vain"
    nothing_left 1 3
}

test_guest_that_does_not_answer_does_not_keep_its_device() {
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    kill -STOP "$pid"
    verb detach >"$work/out" || fail "$(cat "$work/out")"
    [ "$(back_state 1)" = 6 ] || fail "state $(back_state 1)"
    kill_hard "$pid"
}

test_verbs_of_twenty_people_are_all_answered() {
    local pids=()
    daemon_start
    sim --path "$share" attach --wait
    for ((i = 0; i < 20; i++)); do
        background "status.$i" "$daemon" --bus "sim:$bus" status
        pids+=("$pid")
    done
    for ((i = 0; i < 20; i++)); do
        finish "${pids[i]}" || grep -q 'temporarily unavailable' "$work/status.$i" ||
            fail "$(cat "$work/status.$i")"
    done
    visit 2 ls >/dev/null
}

test_a_person_who_stops_halfway_is_not_waited_for() {
    daemon_start
    background halfway "$daemon" --bus "sim:$bus" status
    kill -STOP "$pid"
    visit 1 ls >/dev/null || fail "the daemon waits"
    kill_hard "$pid"
    verb status
}

test_others_may_not_come_in() {
    daemon_start
    [ "$(stat -c %a "$bus/xen9pfsd")" = 700 ] || fail "mode $(stat -c %a "$bus/xen9pfsd")"
    [ "$(stat -c %a "$bus/xen9pfsd/control.sock")" = 600 ] ||
        fail "mode $(stat -c %a "$bus/xen9pfsd/control.sock")"
    need_root "to become somebody else"
    command -v setpriv >/dev/null || skip "there is no setpriv"
    chmod 711 "$work" "$bus"
    install -m 755 "$daemon" "$work/xen9pfsd"
    ! setpriv --reuid 65534 --clear-groups "$work/xen9pfsd" --bus "sim:$bus" status \
        2>"$work/err" || fail "somebody else is answered"
    # Nor when the modes let him through.
    chmod 666 "$bus/xen9pfsd/control.sock"
    chmod 755 "$bus/xen9pfsd"
    ! setpriv --reuid 65534 --clear-groups "$work/xen9pfsd" --bus "sim:$bus" status \
        2>"$work/err" || fail "somebody else is answered"
    await_log 'an order from somebody who may not give any'
}

test_state_dir_may_be_elsewhere() {
    mkdir "$work/elsewhere"
    daemon_start --export "$share" --state-dir "$work/elsewhere/state"
    sim --path "$share" attach --wait
    hold guest.out
    [ -e "$work/elsewhere/state/9pfs-1-0.arena" ] || fail "$(ls "$work/elsewhere")"
    refused 'no daemon is running' status
    verb --state-dir "$work/elsewhere/state" status | grep -q guest=1 || fail "status"
    printf 'state-dir = "%s"\nbus = "sim:%s"\n' "$work/elsewhere/state" "$bus" >"$work/conf"
    timeout -k 10 "$guard" "$daemon" --config "$work/conf" status | grep -q guest=1 || fail "file"
}

test_state_dir_of_somebody_else_is_refused() {
    need_root "to give a directory away"
    mkdir "$work/state"
    chown 65534 "$work/state"
    ! timeout -k 10 "$guard" "$daemon" --bus "sim:$bus" --export "$share" \
        --state-dir "$work/state" 2>"$work/err" || fail "accepted"
    grep -q "state directory $work/state: must be yours" "$work/err" || fail "$(cat "$work/err")"
}

test_state_dir_that_others_may_enter_is_refused() {
    mkdir -m 755 "$work/state"
    ! timeout -k 10 "$guard" "$daemon" --bus "sim:$bus" --export "$share" \
        --state-dir "$work/state" 2>"$work/err" || fail "accepted"
    grep -q "state directory $work/state: must be yours" "$work/err" || fail "$(cat "$work/err")"
    [ "$(stat -c %a "$work/state")" = 755 ] || fail "its mode was changed"
}

run_tests "$@"
