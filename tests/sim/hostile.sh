#!/bin/bash
# Every misbehaviour of a guest that xen9pfs-sim knows, against one daemon that serves a good
# guest under verified load all the while. Words are names or patterns of misbehaviours, as
# "xen9pfs-sim misbehave list" has them: hostile.sh 'ring-*'.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

patterns=("$@")

wanted() {
    [ ${#patterns[@]} = 0 ] && return 0
    for pattern in "${patterns[@]}"; do
        # shellcheck disable=SC2053 # a pattern
        [[ $1 != $pattern ]] || return 0
    done
    return 1
}

# Load in turns of two seconds, until the file "enough" is there.
load_in_turns() {
    while [ ! -e "$work/enough" ]; do
        sim --domid 20 --path "$share/good" load -s 2 -n 16 -f 16M mixed || return 1
    done
}

test_no_misbehaviour_harms_another_guest() {
    local kinds failed=()
    mapfile -t kinds < <(sim misbehave list | awk '{ print $1 }')
    [ ${#kinds[@]} -gt 0 ] || fail "there is no misbehaviour"
    daemon_start
    mkdir "$share/good" "$share/bad"
    background good.out load_in_turns
    good=$pid
    for kind in "${kinds[@]}"; do
        wanted "$kind" || continue
        sim --domid 10 --path "$share/bad" misbehave "$kind" >"$work/kind" 2>&1 ||
            failed+=("$kind")
        sed -n '1p' "$work/kind" | cut -c 1-150
        daemon_lives
        ! ended "$good" || fail "after $kind, the good guest: $(cat "$work/good.out")"
        await "one share is left after $kind" one_share_or_none
    done
    touch "$work/enough"
    finish "$good" || fail "the good guest: $(cat "$work/good.out")"
    ! grep -v ' errors=0$' "$work/good.out" || fail "the good guest's load has errors"
    [ ${#failed[@]} = 0 ] || fail "not answered as they should be: ${failed[*]}"
    nothing_left 10
}

# The good guest's, which may just be between two turns.
one_share_or_none() {
    [ "$(share_count)" -le 1 ]
}

run_tests
