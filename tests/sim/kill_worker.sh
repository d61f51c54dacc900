#!/bin/bash
# Workers are killed at random instants under torture: guests notice nothing.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/torture.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/torture.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/kill.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/kill.sh"

test_killed_workers_are_not_noticed_on_disk() {
    share_on disk
    daemon_start
    killed_under_torture "$kills" 1000 60000 worker
}

test_killed_workers_are_not_noticed_on_tmpfs() {
    share_on tmpfs
    daemon_start
    killed_under_torture "$kills" 1000 60000 worker
}

# Each successor counts the tree before it changes anything.
test_killed_workers_are_not_noticed_within_limits() {
    share_on tmpfs
    daemon_start
    torture guest-1 --path "$share" --kind xen_9pfs --max-space 10000 --max-files 100000 \
        --max-open-files 10000 --auto-delete 1 -- --common common
    kill_shares "$kills" 1000 60000 worker
    kills_end
    ! logged 'auto-delete' || fail "something was deleted"
}

# A successor dies before it has done anything, several times in a row.
test_workers_may_be_killed_as_fast_as_they_come() {
    share_on tmpfs
    daemon_start
    killed_under_torture "$kills" 0 2000 worker
}

test_killed_workers_are_not_noticed_on_small_rings() {
    daemon_start
    torture guest-1 --path "$share" --rings 4 --order 3 -- --common common
    kill_shares "$kills" 1000 60000 worker
    kills_end
}

test_killed_workers_are_not_noticed_by_an_ordinary_users_guests() {
    as_ordinary_user
    daemon_start
    killed_under_torture "$kills" 1000 60000 worker
}

test_killed_workers_are_not_noticed_with_passthrough() {
    need_root "the model passthrough"
    daemon_start
    torture guest-1 --path "$share" --security-model passthrough -- --common common
    kill_shares "$kills" 1000 60000 worker
    kills_end
}

# mapped_under_torture MODEL
mapped_under_torture() {
    daemon_start
    torture guest-1 --path "$share" --security-model "$1" -- --common common
    kill_shares "$kills" 1000 60000 worker
    kills_end
}

test_killed_workers_are_not_noticed_with_mapped_xattr() {
    setfattr -n user.probe -v x "$share" 2>/dev/null || skip "no user attributes here"
    mapped_under_torture mapped-xattr
}

test_killed_workers_are_not_noticed_with_mapped_file() {
    mapped_under_torture mapped-file
}

run_tests "$@"
