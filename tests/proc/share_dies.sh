#!/bin/bash
# A process of a share dies: its device closes, and nothing else happens.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

test_killed_share_closes_its_device_and_no_other() {
    local good good_share victim
    daemon_start
    mkdir "$share/good" "$share/bad"
    load good.out --domid 1 --path "$share/good" -- -s 4 -n 16 -f 16M mixed
    good=$pid
    await_back 4 1
    good_share=$(shares)
    sim --domid 2 --path "$share/bad" attach --wait
    hold bad.out --domid 2
    for victim in $(shares); do
        [[ " $good_share " == *" $victim "* ]] || kill -KILL "$victim"
    done
    await_back 56 2
    await_log 'guest 2 dev 0: its process was killed by signal 9'
    ! finish "$pid" || fail "the guest did not notice"
    load_is_good good.out "$good"
    daemon_lives
    await "nothing of the guest is in use" usage_is_zero 2

    # A new kernel of that guest is served.
    set_front_state 2 1
    await_back 2 2
    sim --domid 2 put /dev/null again
    [ -e "$share/bad/again" ] || fail "the guest's file"
    sim --domid 2 detach >/dev/null
    nothing_left 2
}

test_share_that_crashes_is_reported_with_its_signal() {
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    # shellcheck disable=SC2046 # a list of pids
    kill -ABRT $(shares)
    await_log 'guest 1 dev 0: its process was killed by signal 6'
    await_back 56 1
    finish "$pid" || true
}

test_share_that_hangs_is_killed_at_removal() {
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    # shellcheck disable=SC2046 # a list of pids
    kill -STOP $(shares)
    sim detach >/dev/null || fail "libxl would have run into its timeout"
    nothing_left 1
    logged 'its process does not end; killed' || fail "nothing says so"
}

test_share_that_hangs_does_not_keep_the_daemon_from_stopping() {
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    # shellcheck disable=SC2046 # a list of pids
    kill -STOP $(shares)
    daemon_stop
    [[ 56 == *"$(back_state 1)"* ]] || fail "the backend's state is $(back_state 1)"
}

test_many_deaths_leave_no_zombie() {
    local fds
    daemon_start
    visit 1 ls >/dev/null
    fds=$(daemon_fds)
    for ((i = 0; i < 20; i++)); do
        sim --path "$share" attach --wait
        hold guest.out
        # shellcheck disable=SC2046 # a list of pids
        kill -KILL $(shares)
        await "the share is buried" no_shares
        finish "$pid" || true
        sim detach >/dev/null
    done
    nothing_left 1
    [ "$(daemon_fds)" = "$fds" ] ||
        fail "the daemon had $fds descriptors: $(ls -l "/proc/$daemon_pid/fd")"
}

# files_of PID: what the descriptors of a process stand for, /dev/null and what it writes to apart.
files_of() {
    find "/proc/$1/fd" -type l -printf '%l\n' | grep -vxF -e /dev/null -e "$log" | sort
}

test_share_holds_nothing_of_the_daemon_or_of_another_share() {
    local common pids
    daemon_start
    mkdir "$share/1" "$share/2"
    sim --domid 1 --path "$share/1" attach --wait
    hold first.out --domid 1
    sim --domid 2 --path "$share/2" attach --wait
    hold second.out --domid 2
    pids=("$daemon_pid")
    for share_pid in $(shares); do
        for other in "${pids[@]}"; do
            common=$(comm -12 <(files_of "$share_pid") <(files_of "$other") |
                grep -vE '^(anon_inode|pipe):' || true)
            [ -z "$common" ] || fail "process $share_pid and $other have both: $common"
        done
        pids+=("$share_pid")
    done
    [ ${#pids[@]} = 3 ] || fail "there are not two shares"
}

run_tests "$@"
