#!/bin/bash
# A request that kills its process each time is answered EIO, and harms nobody else.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/torture.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/torture.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/kill.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/kill.sh"

poisoned=data,names,unlinked,append,fids,locks,xattrs,flush,list,contend,poison

poison_is_answered() { # WORKERS DAEMON-OPTION...
    local workers=$1
    shift
    ! sanitized || skip "a sanitizer wants to be loaded first"
    [ -e "$build/tests/lib/poison.so" ] || skip "tests/lib/poison.so is not built"
    daemon_wrapper=(env "LD_PRELOAD=$build/tests/lib/poison.so")
    daemon_start --export "$share" "$@"
    torture guest-1 --path "$share" -- --workers "$workers" --kinds $poisoned --common common
    sleep 2
    torture_ends
    # Some deaths for each of a task's requests.
    [ "$(log_count 'killed by signal 6')" -ge $((2 * 3 * workers)) ] || fail "nobody took poison"
    nothing_happened
}

test_poison_is_answered() {
    poison_is_answered 1
}

test_poison_of_several_tasks_is_answered() {
    poison_is_answered 4
}

test_poison_is_answered_with_a_standby() {
    poison_is_answered 2 --standby
}

run_tests "$@"
