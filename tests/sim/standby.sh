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

# What a keeper opens while its new worker closes what it does not know would be lost, and its number
# be another's by the time the keeper closes it.
test_keepers_open_nothing_beside_a_standby_that_takes_over() {
    ! sanitized || skip "a sanitizer wants to be loaded first"
    [ -e "$build/tests/lib/slow_dup.so" ] || skip "tests/lib/slow_dup.so is not built"
    daemon_wrapper=(env "LD_PRELOAD=$build/tests/lib/slow_dup.so")
    share_on tmpfs
    daemon_start --export "$share" --standby
    killed_under_torture 40 200000 300000 worker
}

run_tests "$@"
