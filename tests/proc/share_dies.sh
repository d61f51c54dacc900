#!/bin/bash
# A process of a share dies or hangs: others take its place, and other shares do not notice.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

test_killed_worker_is_replaced_under_load() {
    local keeper
    daemon_start
    sim --path "$share" attach --wait
    load load.out -- -s 3600 -n 16 -f 16M mixed
    await_back 4 1
    keeper=$(keepers)
    for ((i = 0; i < 5; i++)); do
        sleep 0.5
        kill -KILL "$(workers | head -n 1)"
        [ "$(back_state 1)" = 4 ] || fail "the backend's state is $(back_state 1)"
    done
    [ "$(keepers)" = "$keeper" ] || fail "keeper $keeper has become $(keepers)"
    load_end load.out "$pid"
    sim detach >/dev/null
    nothing_left 1
}

test_deaths_of_one_share_do_not_touch_another() {
    local good keeper
    daemon_start
    mkdir "$share/good" "$share/bad"
    load good.out --domid 1 --path "$share/good" -- -s 3600 -n 16 -f 16M mixed
    good=$pid
    await_back 4 1
    keeper=$(keepers)
    sim --domid 2 --path "$share/bad" attach --wait
    hold bad.out --domid 2
    for ((i = 0; i < 3; i++)); do
        kill -KILL "-$(keepers | grep -vx "$keeper")"
        await "guest 2 is served again" served_so_often $((i + 1))
    done
    load_end good.out "$good"
    ! ended "$pid" || fail "the guest has lost its session"
    sim --domid 2 detach >/dev/null
    nothing_left 2
}

served_so_often() {
    [ "$(log_count 'guest 2 dev 0: served by keeper')" = "$1" ]
}

test_worker_that_crashes_is_reported_with_its_signal() {
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    kill -ABRT "$(workers | head -n 1)"
    await_log 'guest 1 dev 0: .*killed by signal 6'
    sleep 0.3
    [ "$(back_state 1)" = 4 ] || fail "the backend's state is $(back_state 1)"
    ! ended "$pid" || fail "the guest has lost its session"
}

test_share_that_hangs_is_killed_at_removal() {
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    # shellcheck disable=SC2046 # a list of pids
    kill -STOP $(share_processes)
    sim detach >/dev/null || fail "libxl would have run into its timeout"
    nothing_left 1
    logged 'its process does not end; killed' || fail "nothing says so"
}

test_share_that_hangs_does_not_keep_the_daemon_from_stopping() {
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    # shellcheck disable=SC2046 # a list of pids
    kill -STOP $(share_processes)
    daemon_stop
    [[ 56 == *"$(back_state 1)"* ]] || fail "the backend's state is $(back_state 1)"
}

test_many_deaths_leave_no_zombie_and_no_descriptor() {
    local fds keeper
    daemon_start
    visit 1 ls >/dev/null
    fds=$(daemon_fds)
    for ((i = 0; i < 10; i++)); do
        sim --path "$share" attach --wait
        hold guest.out
        keeper=$(keepers)
        # In turns a keeper alone, and with its worker.
        kill -KILL "$([ $((i % 2)) = 0 ] || echo -)$keeper"
        await "there is another keeper" another_keeper "$keeper"
        sim detach >/dev/null
        await "the share is buried" no_shares
        finish "$pid" || true
    done
    nothing_left 1
    [ "$(daemon_fds)" = "$fds" ] ||
        fail "the daemon had $fds descriptors: $(ls -l "/proc/$daemon_pid/fd")"
}

another_keeper() { # THAN
    local now
    now=$(keepers)
    [ -n "$now" ] && [ "$now" != "$1" ]
}

# files_of PID: what the descriptors of a process stand for, /dev/null and what it writes to apart.
files_of() {
    local fd name
    for fd in "/proc/$1/fd"/*; do
        name=$(readlink "$fd") || continue
        case $name in
        /dev/null | "$log") ;;
        # What is on a mount of its own has no path to tell it by.
        /*) stat -Lc 'file %D:%i' "$fd" ;;
        *) echo "$name" ;;
        esac
    done | sort
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
