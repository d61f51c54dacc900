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

run_tests "$@"
