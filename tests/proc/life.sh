#!/bin/bash
# Starting, stopping, and what is left of processes. A daemon that comes back: restart.sh.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

test_sigint_under_load_ends_in_good_order() {
    daemon_start
    sim --path "$share" attach --wait
    load load.out -- -s 60 -n 32 mixed
    await_back 4 1
    sleep 0.5
    daemon_stop
    logged '^xen9pfsd: stopping$' || fail "it does not say that it stops"
    [[ 56 == *"$(back_state 1)"* ]] || fail "the backend's state is $(back_state 1)"
    ! finish "$pid" || fail "the load did not notice"
    await "nothing of the guest is in use" usage_is_zero 1
}

test_sigint_without_devices_ends_at_once() {
    daemon_start
    daemon_stop
}

test_sigint_with_a_frozen_guest_ends() {
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    kill -STOP "$pid"
    daemon_stop
    [[ 56 == *"$(back_state 1)"* ]] || fail "the backend's state is $(back_state 1)"
    kill_hard "$pid"
}

test_signal_to_the_shares_is_not_for_them() {
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    # As a terminal or a service manager does it: the shares first.
    # shellcheck disable=SC2046 # lists of pids
    kill -TERM $(share_processes)
    # shellcheck disable=SC2046 # a list of pids
    kill -INT $(share_processes)
    sleep 0.2
    [ "$(share_count)" = 1 ] || fail "a share ended without its supervisor's word"
    ! ended "$pid" || fail "the guest has lost its session"
    daemon_stop
}

test_frontend_sees_5_when_the_daemon_stops() {
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    kill -STOP "$pid"
    kill -INT "$daemon_pid"
    await_back 5 1
    kill -CONT "$pid"
    await_back 6 1
    finish "$daemon_pid"
    daemon_pid=''
}

test_daemon_serves_a_waiting_device_after_restart() {
    daemon_start
    sim --path "$share" attach --wait
    daemon_stop
    daemon_again
    sim ls >/dev/null || fail "the guest cannot mount"
}

test_daemon_serves_again_what_it_has_closed() {
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    daemon_stop
    finish "$pid" || true
    daemon_again
    set_front_state 1 1
    await_back 2 1
    sim ls >/dev/null
    sim detach >/dev/null
    nothing_left 1
}

test_device_that_was_there_first_is_served() {
    sim --path "$share" attach
    daemon_start
    await_back 2 1
    sim ls >/dev/null
}

test_second_daemon_on_a_bus_is_refused() {
    local status=0
    daemon_start
    timeout -k 10 "$guard" "$daemon" --bus "sim:$bus" --export "$share" 2>"$work/second" ||
        status=$?
    [ $status = 1 ] || fail "exit status $status: $(cat "$work/second")"
    grep -q 'another xen9pfsd is running' "$work/second" || fail "$(cat "$work/second")"
    [ "$(wc -l <"$work/second")" = 1 ] || fail "more than a line: $(cat "$work/second")"
    daemon_lives
    [ "$(node /local/domain/0/libxl/xen-9pfs/state)" = running ] ||
        fail "libxl's node went with the second daemon"
    visit 1 ls >/dev/null
}

test_daemon_without_a_bus_says_so() {
    local status=0
    mkdir "$work/empty"
    timeout -k 10 "$guard" "$daemon" --bus "sim:$work/empty" --export "$share" 2>"$work/err" ||
        status=$?
    [ $status = 1 ] || fail "exit status $status"
    grep -q "simulated bus in \"$work/empty\"" "$work/err" || fail "$(cat "$work/err")"
}

test_daemon_ends_when_its_bus_does() {
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    kill "${started[0]}"
    finish "${started[0]}" || true
    ! finish "$daemon_pid" || fail "exit status 0"
    daemon_pid=''
    logged 'giving up' || fail "it does not say why"
}

run_tests "$@"
