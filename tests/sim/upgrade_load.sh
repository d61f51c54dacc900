#!/bin/bash
# The daemon is upgraded again and again under torture, while workers die.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/torture.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/torture.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/kill.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/kill.sh"

# A new version: it differs in its name alone.
upgrade_once() {
    local new=$work/xen9pfsd.$1
    [ -e "$new" ] || cp "$daemon" "$new"
    timeout -k 10 "$guard" "$new" --bus "sim:$bus" upgrade >"$work/upgrade.out" 2>&1
}

all_run() { # PROGRAM
    local process
    for process in "$daemon_pid" $(keepers); do
        [ "$(readlink "/proc/$process/exe")" = "$1" ] || return 1
    done
}

test_ten_upgrades_are_not_noticed() {
    share_on disk
    daemon_start
    torture_many "$guests"
    for ((i = 0; i < 10; i++)); do
        sleep "0.$((RANDOM % 10))"
        upgrade_once $i || fail "upgrade $i: $(cat "$work/upgrade.out")"
        all_run "$work/xen9pfsd.$i" || fail "not all run the new program"
        ! one_has_ended || break
    done
    torture_ends
    nothing_happened
}

# A death may make a share stay with the old program; then it is tried again.
test_ten_upgrades_among_deaths_are_not_noticed() {
    share_on tmpfs
    daemon_start
    torture_many "$guests"
    kill_shares 100000 20000 200000 worker
    for ((i = 0; i < 10; i++)); do
        sleep "0.$((RANDOM % 10))"
        await "upgrade $i succeeds" upgrade_once $i
        all_run "$work/xen9pfsd.$i" || fail "not all run the new program"
        ! one_has_ended || break
    done
    kill -TERM "$killer_pid" 2>/dev/null || true # it may have ended already
    kills_end
}

run_tests "$@"
