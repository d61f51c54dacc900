#!/bin/bash
# A frontend that goes and comes back, in every way that Linux does it.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

# mount_again HOW: three times in one life of the device.
mount_again() {
    [ -x "$kernel" ] || skip "$kernel is not built"
    daemon_start
    sim --path "$share" attach --wait
    kernel 1 again "$1" 3
    [ "$(ls "$share")" = "$(printf 'round-0\nround-1\nround-2')" ] || fail "$(ls "$share")"
    sim detach >/dev/null
    nothing_left 1
}

test_mounts_again_after_the_closing_handshake() {
    mount_again close
}

test_mounts_again_after_module_unload() {
    mount_again unload
}

test_mounts_again_after_kexec() {
    mount_again kexec
}

test_mounts_again_after_reset_without_a_word() {
    mount_again reset
}

test_mounts_again_when_new_rings_come_before_the_backend_is_asked() {
    mount_again old-driver
}

test_new_kernel_mounts_after_the_old_one_is_gone() {
    daemon_start
    sim --path "$share" attach --wait
    hold old.out
    kill_hard "$pid"
    [ "$(front_state 1)" = 4 ] || fail "the old kernel left state $(front_state 1)"
    sim put /dev/null made-by-the-new
    [ -e "$share/made-by-the-new" ] || fail "the new kernel's file"
    sim detach >/dev/null
    nothing_left 1
}

test_closing_is_answered_by_5_and_then_6() {
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    kill_hard "$pid"
    set_front_state 1 5
    await_back 5 1
    sleep 0.3
    [ "$(back_state 1)" = 5 ] || fail "5 did not stay until the frontend said 6"
    await "the share has let go" usage_is_zero 1
    set_front_state 1 6
    await_back 6 1
    no_shares || fail "the share's process is still there"
}

test_unload_is_answered_by_6() {
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    kill_hard "$pid"
    set_front_state 1 6
    await_back 6 1
    await "the share has let go" usage_is_zero 1
    sleep 0.3
    [ "$(back_state 1)" = 6 ] || fail "6 did not stay"
}

test_two_mounts_in_a_row_leave_the_device_waiting() {
    daemon_start
    sim --path "$share" attach --wait
    sim ls >/dev/null
    sim ls >/dev/null
    set_front_state 1 1
    await_back 2 1
    no_shares || fail "a share's process before the guest asks"
}

run_tests "$@"
