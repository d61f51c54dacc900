#!/bin/bash
# A device is taken away, whatever the guest is doing: no process, no page, no node stays.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

# remove_while_loaded KIND VERB: by the toolstack, in the midst of requests.
remove_while_loaded() {
    daemon_start
    sim --kind "$1" --path "$share" attach --wait
    load load.out --kind "$1" -- -s 60 -n 32 mixed
    await_back 4 1 "$1"
    sleep 0.5
    sim "$2" >"$work/removed" || fail "$2: $(cat "$work/removed")"
    nothing_left 1
    ! finish "$pid" || fail "the load did not notice: $(cat "$work/load.out")"
    # Nobody writes into a directory that is gone.
    sleep 0.3
    nothing_left 1
    daemon_lives
    visit 2 ls >/dev/null
}

test_detach_under_load_leaves_nothing() {
    remove_while_loaded 9pfs detach
}

test_detach_of_kind_xen_9pfs_under_load_leaves_nothing() {
    remove_while_loaded xen_9pfs detach
}

test_destroy_under_load_leaves_nothing() {
    remove_while_loaded xen_9pfs destroy
}

test_state_6_from_libxl_under_load_leaves_nothing() {
    remove_while_loaded 9pfs destroy
}

test_detach_of_a_mounted_idle_guest_is_quick_and_clean() {
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    sim detach >/dev/null
    nothing_left 1
    ! finish "$pid" || fail "the guest did not notice"
}

test_detach_before_the_guest_came_leaves_nothing() {
    daemon_start
    sim --path "$share" attach --wait
    sim detach >/dev/null
    nothing_left 1
}

test_guest_that_never_answers_5_does_not_keep_its_device() {
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    kill -STOP "$pid"
    sim detach >/dev/null || fail "libxl would have run into its timeout"
    kill_hard "$pid"
    nothing_left 1
}

test_guest_that_dies_under_load_is_let_go() {
    daemon_start
    sim --path "$share" attach --wait
    # Without timeout(1) in between: it is this process that has to die.
    background load.out "$simulator" --bus "sim:$bus" load -s 60 -n 32 mixed
    await_back 4 1
    sleep 0.3
    kill_hard "$pid"
    sim destroy >/dev/null
    nothing_left 1
    daemon_lives
}

test_backend_directory_that_vanishes_stays_gone() {
    [ -x "$kernel" ] || skip "$kernel is not built"
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    kernel 0 remove "$(back_dir 1)"
    await "the share's process is gone" no_shares
    sleep 0.5
    nothing_left 1
    await_log "guest 1 dev 0: gone"
    ! finish "$pid" || fail "the guest did not notice"
}

test_frontend_directory_that_vanishes_closes_the_device() {
    [ -x "$kernel" ] || skip "$kernel is not built"
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    kernel 0 remove "$(front_dir 1)"
    await_back 6 1
    await "the share's process is gone" no_shares
    usage_is_zero 1 || fail "still in use: $(sim usage)"
    kill_hard "$pid"
    sim detach >/dev/null
    nothing_left 1
}

test_online_0_closes_the_device() {
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    sim xs-write "$(back_dir 1)/online" 0
    await_back 6 1
    await "the share's process is gone" no_shares
    await "nothing is in use" usage_is_zero 1
}

# The toolstack writes the same device anew in one transaction: nothing says that the old went.
recreate() { # what the guest does: a function
    daemon_start
    mkdir "$share/old" "$share/new"
    sim --path "$share/old" attach --wait
    "$@"
    sim --path "$share/new" attach --wait || fail "the new device is not taken up"
    sim put /dev/null file || fail "the new device cannot be mounted"
    [ -e "$share/new/file" ] || fail "the new device shows the old directory"
    [ ! -e "$share/old/file" ] || fail "the new device writes into the old directory"
    sim detach >/dev/null
    nothing_left 1
}

guest_is_mounted_and_gone() {
    hold guest.out
    kill_hard "$pid"
}

guest_was_never_there() {
    :
}

guest_has_closed() {
    sim ls >/dev/null
}

test_device_created_anew_while_mounted_is_the_new_one() {
    recreate guest_is_mounted_and_gone
}

test_device_created_anew_while_waiting_is_the_new_one() {
    recreate guest_was_never_there
}

test_device_created_anew_after_closing_is_the_new_one() {
    recreate guest_has_closed
}

# Its directory goes, its process ends, and there it is again: at any moment of that.
test_device_created_anew_while_the_old_one_goes_is_taken_up() {
    local i
    [ -x "$kernel" ] || skip "$kernel is not built"
    daemon_start
    for ((i = 0; i < 40; i++)); do
        sim --path "$share" attach --wait || fail "device $i is not taken up"
        hold guest.out
        kill_hard "$pid"
        kernel 0 remove "$(back_dir 1)"
        sleep "0.$(printf '%03d' $((i * 3)))"
    done
    sim --path "$share" attach --wait || fail "the last device is not taken up"
    sim detach >/dev/null
    nothing_left 1
}

test_domid_is_used_again_fifty_times() {
    daemon_start
    for ((i = 0; i < 50; i++)); do
        mkdir "$share/$i"
        visit 1 --path "$share/$i" put /dev/null file
        [ -e "$share/$i/file" ] || fail "life $i: the file is elsewhere"
    done
    nothing_left 1
}

run_tests "$@"
