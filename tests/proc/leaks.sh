#!/bin/bash
# Memory and descriptors of the daemon and of every share, under valgrind: connections come and
# go, and nothing is left. 10 of them; with LONG=1 100.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

# valgrind 3.19 lacks two system calls and execs itself for /proc/self/exe: see under_valgrind.c.
use_valgrind() {
    command -v valgrind >/dev/null || skip "valgrind is not installed"
    ! sanitized || skip "the daemon is built with a sanitizer"
    "${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -shared -fPIC -o "$work/under_valgrind.so" \
        "$top/tests/lib/under_valgrind.c" || skip "no compiler for under_valgrind.c"
    # A detached thread that has done its last may still be on its way out when the process ends.
    cat >"$work/suppressions" <<'TEXT'
{
   stack of a thread that is ending
   Memcheck:Leak
   match-leak-kinds: possible
   fun:calloc
   ...
   fun:_dl_allocate_tls
   ...
   fun:pthread_create*
}
TEXT
    # shellcheck disable=SC2054 # the comma is valgrind's
    daemon_wrapper=(env "LD_PRELOAD=$work/under_valgrind.so"
        valgrind -q --trace-children=yes --leak-check=full --show-leak-kinds=all
        --errors-for-leak-kinds=definite,possible --track-fds=yes --error-exitcode=9
        "--suppressions=$work/suppressions" "--log-file=$work/valgrind.%p")
}

# What valgrind has against a process: nothing but descriptors that came from outside, and those
# with fixed numbers, which a keeper and its worker have to the end.
complaints() { # FILE
    awk '/^==[0-9]+== Open / { fixed = / ([3-9]|1[0-5]):/ } /^==[0-9]+== $/ { fixed = 0 } !fixed' "$1" |
        grep -E '^==[0-9]+== .' |
        grep -vE '== +<inherited from parent>|FILE DESCRIPTORS: ' |
        # A descriptor that is inherited says so in the next line; one that is not has a stack.
        grep -E '(Invalid|uninitialised|lost|blocks are|reachable|[[:space:]](at|by) 0x)' || true
}

check_valgrind() {
    local report processes=0
    for report in "$work"/valgrind.*; do
        # A child of the launcher that looks at an export ends at once, with all that it was born with.
        ! grep -qE ': (look_up|begin_to_open) \(' "$report" || continue
        processes=$((processes + 1))
        [ -z "$(complaints "$report")" ] || fail "valgrind: $(cat "$report")"
    done
    [ $processes -ge "$1" ] || fail "$processes reports of valgrind, $1 expected"
}

test_connections_leave_no_memory_and_no_descriptor() {
    local cycles=10
    [ "${LONG:-0}" != 1 ] || cycles=100
    use_valgrind
    daemon_start
    for ((i = 0; i < cycles; i++)); do
        visit 1 load -s 0 -n 4 -b 4096 -f 64K mixed >/dev/null
    done
    nothing_left 1
    daemon_stop
    check_valgrind $((cycles + 1))
}

test_day_of_work_leaves_no_memory_and_no_descriptor() {
    use_valgrind
    daemon_start
    visit 1 day >"$work/day" 2>&1 || fail "day: $(cat "$work/day")"
    daemon_stop
    check_valgrind 2
}

test_stopping_under_load_leaves_no_memory_and_no_descriptor() {
    use_valgrind
    daemon_start
    sim --path "$share" attach --wait
    load load.out -- -s 60 -n 16 -b 16K -f 4M mixed
    await_back 4 1
    sleep 2
    daemon_stop
    finish "$pid" || true
    check_valgrind 2
}

test_guests_that_break_the_transport_leave_no_memory_and_no_descriptor() {
    use_valgrind
    daemon_start
    sim --path "$share" misbehave 'size-*' >"$work/kinds" 2>&1 || fail "$(cat "$work/kinds")"
    daemon_stop
    check_valgrind 6
}

# A share that cannot start ends as it is; here the daemon's own report counts.
test_refusals_leave_no_memory_and_no_descriptor_in_the_daemon() {
    local report
    use_valgrind
    daemon_start
    report=$work/valgrind.$daemon_pid
    for path in / "$share/none" relative; do
        sim --path "$path" attach
        await_log "guest 1 dev 0: refused: path \"$path\""
        sim detach >/dev/null
    done
    sim --path "$share" misbehave 'ring-ref-*' >"$work/kinds" 2>&1 || fail "$(cat "$work/kinds")"
    sim --path "$share" misbehave 'order-*' >"$work/kinds" 2>&1 || fail "$(cat "$work/kinds")"
    daemon_stop
    [ -s "$report" ] || fail "there is no report of the daemon"
    [ -z "$(complaints "$report")" ] || fail "valgrind: $(cat "$report")"
}

run_tests "$@"
