#!/bin/bash
# Keepers are killed under torture, alone and together with their workers.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/torture.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/torture.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/kill.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/kill.sh"

test_killed_keepers_are_not_noticed() {
    share_on disk
    daemon_start
    killed_under_torture "$kills" 5000 100000 keeper worker worker worker
}

test_killed_keepers_and_standbys_are_not_noticed() {
    share_on tmpfs
    daemon_start --export "$share" --standby
    killed_under_torture "$kills" 5000 100000 keeper worker worker standby
}

# What lives in open files alone is lost then: files without a name, and locks. A share comes back
# three times a minute, and not more often.
killed_at_once() { # DISK|TMPFS
    need_root "files are found again by their handles"
    share_on "$1"
    daemon_start
    torture_many "$guests" --no-unlinked --no-locks
    kill_shares 3 500000 1500000 both
    kills_end
}

test_keeper_and_worker_killed_at_once_on_disk() {
    killed_at_once disk
}

test_keeper_and_worker_killed_at_once_on_tmpfs() {
    killed_at_once tmpfs
}

test_keeper_and_worker_killed_at_once_among_other_deaths() {
    need_root "files are found again by their handles"
    [ "${LONG:-}" = 1 ] || skip "takes minutes: LONG=1"
    daemon_start
    torture_many 1 --no-unlinked --no-locks
    for ((i = 0; i < 20; i++)); do
        kill_shares 20 1000 60000 worker worker worker keeper
        deaths_end
        kill_shares 1 1000 20000 both
        deaths_end
        sleep 20
    done
    torture_ends
    nothing_happened
}

run_tests "$@"
