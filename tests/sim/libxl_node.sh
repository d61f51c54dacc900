#!/bin/bash
# libxl/xen-9pfs/state, by which libxl knows that kind xen_9pfs is served already.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

libxl_state() {
    node /local/domain/0/libxl/xen-9pfs/state
}

test_says_running_while_it_runs_and_is_gone_afterwards() {
    daemon_start
    [ "$(libxl_state)" = running ] || fail "state: $(libxl_state)"
    visit 1 --kind xen_9pfs ls >/dev/null
    [ "$(libxl_state)" = running ] || fail "state: $(libxl_state)"
    daemon_stop
    [ "$(libxl_state)" = none ] || fail "after SIGINT: $(libxl_state)"
}

test_is_gone_after_stopping_with_connected_guests() {
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    daemon_stop
    [ "$(libxl_state)" = none ] || fail "after SIGINT: $(libxl_state)"
}

# The next daemon is on its way, and libxl's own would be in its place.
test_stays_while_guests_wait_for_the_next_daemon() {
    daemon_start
    daemon_leave
    [ "$(libxl_state)" = running ] || fail "after SIGTERM: $(libxl_state)"
}

test_value_of_a_killed_daemon_is_overwritten() {
    daemon_start
    kill_hard "$daemon_pid"
    : >"$log"
    sim xs-write /local/domain/0/libxl/xen-9pfs/state failed
    daemon_start
    [ "$(libxl_state)" = running ] || fail "state: $(libxl_state)"
    daemon_stop
    [ "$(libxl_state)" = none ] || fail "after SIGINT: $(libxl_state)"
}

test_daemon_of_kind_9pfs_alone_leaves_it_alone() {
    sim xs-write /local/domain/0/libxl/xen-9pfs/state running
    daemon_start --export "$share" --kind 9pfs
    daemon_stop
    [ "$(libxl_state)" = running ] || fail "state: $(libxl_state)"
}

test_daemon_of_kind_9pfs_does_not_touch_kind_xen_9pfs() {
    daemon_start --export "$share" --kind 9pfs
    sim --kind xen_9pfs --path "$share" attach
    visit 2 ls >/dev/null
    [ "$(back_state 1 xen_9pfs)" = 1 ] || fail "state $(back_state 1 xen_9pfs)"
}

run_tests "$@"
