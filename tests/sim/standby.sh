#!/bin/bash
# Standbys take over from workers that are killed, and may be killed themselves.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/torture.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/torture.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/kill.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/kill.sh"

test_killed_workers_are_followed_by_standbys() {
    share_on disk
    daemon_start --export "$share" --standby
    killed_under_torture "$kills" 5000 60000 worker
}

test_workers_and_standbys_may_be_killed() {
    share_on tmpfs
    daemon_start --export "$share" --standby
    killed_under_torture "$kills" 0 30000 worker worker standby
}

# killed_with_standbys PRELOADED KILLS MIN MAX
killed_with_standbys() {
    local preloaded=$build/tests/lib/$1.so
    shift
    ! sanitized || skip "a sanitizer wants to be loaded first"
    [ -e "$preloaded" ] || skip "$preloaded is not built"
    daemon_wrapper=(env "LD_PRELOAD=$preloaded")
    share_on tmpfs
    daemon_start --export "$share" --standby
    killed_under_torture "$@" worker
}

# What a keeper opens while its new worker closes what it does not know would be lost, and its number
# be another's by the time the keeper closes it.
test_keepers_open_nothing_beside_a_standby_that_takes_over() {
    killed_with_standbys slow_dup 40 200000 300000
}

# What it has opened are the worker's descriptors, and that it cannot go on is not the share's end.
test_standbys_that_cannot_be_made_harm_nobody() {
    killed_with_standbys no_standby 20 100000 200000
    logged 'no standby: .*Cannot allocate memory' || fail "there were standbys"
}

run_tests "$@"
