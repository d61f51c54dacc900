#!/bin/bash
# Everything is killed, and the daemon started again: as a service manager would.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/torture.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/torture.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/kill.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/kill.sh"

# The arena is found again by what is started next.
kill_everything() {
    local left
    kill_hard "$daemon_pid"
    left=$(share_processes)
    # shellcheck disable=SC2086 # a list of pids
    kill -KILL $left 2>/dev/null || true
    daemon_again
}

test_killed_daemons_are_not_noticed() {
    share_on disk
    daemon_start
    torture_many "$guests"
    kill_shares 100000 10000 100000 worker worker worker keeper
    for ((i = 0; i < 10; i++)); do
        kill_hard "$daemon_pid"
        sleep "0.$((RANDOM % 5))"
        daemon_again
        ! one_has_ended || break
        sleep "0.$((RANDOM % 5))"
    done
    kill -TERM "$killer_pid"
    kills_end
}

test_daemons_that_end_and_come_back_are_not_noticed() {
    daemon_start
    torture_many "$guests"
    for ((i = 0; i < 5; i++)); do
        sleep "0.$((RANDOM % 5))"
        daemon_leave
        sleep "0.$((RANDOM % 5))"
        daemon_again
        ! one_has_ended || break
    done
    torture_ends
    nothing_happened
}

everything_is_killed() { # DISK|TMPFS
    need_root "files are found again by their handles"
    share_on "$1"
    daemon_start
    torture_many "$guests" --no-unlinked --no-locks
    for ((i = 0; i < 3; i++)); do
        sleep "0.$((RANDOM % 10))"
        kill_everything
        ! one_has_ended || break
    done
    sleep 1
    torture_ends
    nothing_happened
}

test_everything_killed_at_once_on_disk() {
    everything_is_killed disk
}

test_everything_killed_at_once_on_tmpfs() {
    everything_is_killed tmpfs
}

run_tests "$@"
