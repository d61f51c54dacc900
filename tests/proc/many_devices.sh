#!/bin/bash
# More devices than the daemon is to serve: those too many wait, untouched, until another one goes.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

# left_out DOMID DEVID OPTION: said once; nothing of it was touched.
left_out() {
    await_log "guest $1 dev $2: refused: $3 ([0-9]*) is reached"
    [ "$(log_count "guest $1 dev $2: ")" = 1 ] || fail "more is said: $(cat "$log")"
    [ "$(back_state "$1" 9pfs "$2")" = 1 ] || fail "state $(back_state "$1" 9pfs "$2")"
    [ "$(node "$(back_dir "$1" 9pfs "$2")/versions")" = none ] || fail "it is published"
    ! verb status | grep -q "guest=$1 dev=$2 " || fail "the daemon keeps something of it"
}

attach() { # DOMID DEVID [OPTION...]
    sim --domid "$1" --devid "$2" --path "$share" "${@:3}" attach
}

two_of_two_are_served() {
    daemon_start --export "$share" --max-devices 2
    attach 1 0
    await_back 2 1
    hold second.out --domid 2 --path "$share"
    second=$pid
}

test_device_too_many_is_served_when_another_one_has_gone() {
    two_of_two_are_served
    attach 3 0
    left_out 3 0 max-devices
    attach 4 7
    left_out 4 7 max-devices
    [ "$(share_count)" = 1 ] || fail "$(share_count) shares"
    sim --domid 1 detach >/dev/null
    await "one of the two is served" one_of_3_and_4_waits
    [ "$(log_count 'refused: max-devices')" = 2 ] || fail "refused anew: $(cat "$log")"
    kill -TERM "$second"
    finish "$second" || fail "guest 2: $(cat "$work/second.out")"
    sim --domid 2 detach >/dev/null 2>&1 || true
    await_back 2 3
    await_back 2 4 9pfs 7
    sim --domid 3 ls >/dev/null
    sim --domid 4 --devid 7 ls >/dev/null
}

one_of_3_and_4_waits() {
    [[ "$(back_state 3)$(back_state 4 9pfs 7)" == @(12|21) ]]
}

test_guest_with_too_many_devices_is_in_nobodys_way() {
    daemon_start --export "$share" --max-guest-devices 2
    attach 1 0
    attach 1 1 --kind xen_9pfs
    await_back 2 1
    await_back 2 1 xen_9pfs 1
    attach 1 2
    left_out 1 2 max-guest-devices
    visit 2 ls >/dev/null
    left_out 1 2 max-guest-devices
    sim --domid 1 --devid 1 detach >/dev/null
    await_back 2 1 9pfs 2
    sim --domid 1 --devid 2 ls >/dev/null
}

# Libxl waits for an answer, whoever was meant to serve.
test_device_too_many_can_be_removed() {
    local kind verb domid=3
    two_of_two_are_served
    for kind in 9pfs xen_9pfs; do
        for verb in detach destroy; do
            attach $domid 0 --kind $kind
            await_log "guest $domid dev 0: refused: max-devices"
            sim --domid $domid --kind $kind $verb >"$work/removed" ||
                fail "$verb of $kind: $(cat "$work/removed")"
            ! back_nodes | grep -q "/$domid/" || fail "stale nodes: $(back_nodes)"
            domid=$((domid + 1))
        done
    done
    ! ended "$second" || fail "guest 2: $(cat "$work/second.out")"
    sim --domid 1 detach >/dev/null
    visit 9 ls >/dev/null
}

test_device_too_many_of_a_driver_domain_can_be_removed() {
    local kind verb
    daemon_begin --bus "sim:$bus@3" --export "$share" --max-devices 1
    await "the daemon serves" serves_or_ended
    sim --domid 1 --backend 3 --path "$share" attach --wait
    for kind in 9pfs xen_9pfs; do
        for verb in detach destroy; do
            sim --domid 2 --backend 3 --kind $kind --path "$share" attach
            await_log 'guest 2 dev 0: refused: max-devices'
            sim --domid 2 --backend 3 --kind $kind $verb >"$work/removed" ||
                fail "$verb of $kind: libxl would wait in vain"
            nothing_left 2 3
            await_log 'guest 2 dev 0: gone'
            : >"$log"
        done
    done
}

# Who is served is served on, whatever the next daemon's number is.
test_sessions_are_more_than_a_daemon_would_begin() {
    local first second
    daemon_start
    hold first.out --domid 1 --path "$share"
    first=$pid
    hold second.out --domid 2 --path "$share"
    second=$pid
    attach 3 0
    await_back 2 3
    daemon_leave
    daemon_again --export "$share" --max-devices 1
    await "all are known" grep -q 'guest 2 dev 0: served by' "$log"
    attach 4 0
    left_out 4 0 max-devices
    for pid in $first $second; do
        kill -TERM "$pid"
        finish "$pid" || fail "a guest: $(cat "$work/first.out" "$work/second.out")"
    done
    sim --domid 3 ls >/dev/null
}

run_tests "$@"
