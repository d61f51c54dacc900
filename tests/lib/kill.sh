# shellcheck shell=bash
# kill.sh - deaths under torture, for scripts that source bus.sh and torture.sh.
#
# KILLS is how many processes die in a test (LONG=1: 10,000), GUESTS how many guests are tortured.
# shellcheck disable=SC2154 # variables of bus.sh and torture.sh

killer=$build/tests/lib/killer
kills=${KILLS:-$([ "${LONG:-}" = 1 ] && echo 10000 || echo 150)}
guests=${GUESTS:-2}
state_dir='' killer_pid=''

# kill_shares COUNT MIN MAX WHAT...: in the background, see killer.c.
kill_shares() {
    state_dir=$bus/xen9pfsd
    background killer.out "$killer" "$state_dir" "$@"
    killer_pid=$pid
    await "the killer is ready" killer_ready
}

killer_ready() {
    [ -s "$work/killer.out" ] || ended "$killer_pid"
}

# The killer is told to end, if it has not done its work by now.
kill_no_more() {
    kill -TERM "$killer_pid" 2>/dev/null || true
    finish "$killer_pid" || fail "nothing to kill: $(cat "$work/killer.out")"
}

# The killer has done its work, or is told to end because a guest found something.
deaths_end() {
    until ended "$killer_pid" || one_has_ended; do
        sleep 0.1
    done
    kill_no_more
    sed -n '/kills=/s/^/    /p' "$work/killer.out"
}

# All who were to die have died, and no guest has seen anything of it.
kills_end() {
    deaths_end
    torture_ends
    nothing_happened
}

# killed_under_torture COUNT MIN MAX WHAT...: guests share one directory.
killed_under_torture() {
    torture_many "$guests"
    kill_shares "$@"
    kills_end
}

# No share was given up, and nothing is left of any.
nothing_happened() {
    local name bad
    bad=$(grep -hE 'given up|damaged|failed|is lost|cannot' "$log" "$work/earlier.log" 2>/dev/null |
        grep -v 'walls around its process' || true)
    [ -z "$bad" ] || fail "$bad"
    for name in "${!torture_pid[@]}"; do
        nothing_left "${name#guest-}"
    done
}
