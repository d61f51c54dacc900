#!/bin/bash
# The verbs behind ./dev bench measure what they say. No figure is judged.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

rows=(read4k write4k read64k write64k seqread seqwrite getattr walk create readdir mixed)

# figure NAME FILE: of the first object there.
figure() {
    sed -n "1s/.*\"$1\": \([0-9.]*\).*/\1/p" "$2"
}

# is_more A B
is_more() {
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > b) }'
}

test_every_row_is_measured_on_rings_and_directly() {
    daemon_start
    sim bench-files "$share"
    for row in "${rows[@]}"; do
        visit 1 bench --time 20 --depth 1,5 --server "$daemon_pid" --direct "$share/bench" "$row" \
            >"$work/$row"
        [ "$(wc -l <"$work/$row")" = 2 ] || fail "$row: $(cat "$work/$row")"
        for value in ops_s p50_us cpu_us events_reply; do
            is_more "$(figure $value "$work/$row")" 0 || fail "$row: $value: $(cat "$work/$row")"
        done
        grep -q '"direct": {"ops_s": [0-9]*[1-9]' "$work/$row" || fail "$(cat "$work/$row")"
    done
    [ -z "$(ls "$share/bench/new")" ] || fail "left behind: $(ls "$share/bench/new")"
}

test_every_row_is_measured_on_a_socket() {
    local server
    sim bench-files "$share"
    background serve.out "$serve" --listen "unix:$work/socket" --path "$share"
    server=$pid
    await "the socket is there" test -S "$work/socket"
    for row in "${rows[@]}"; do
        "$simulator" --connect "unix:$work/socket" bench --time 20 --depth 3 --server "$server" \
            "$row" >"$work/$row" || fail "$row: $(cat "$work/$row")"
        grep -q '"ops_s"' "$work/$row" || fail "$row: $(cat "$work/$row")"
    done
    kill -TERM "$server"
    finish "$server" || fail "the server: $(cat "$work/serve.out")"
}

test_slow_storage_is_waited_for() {
    daemon=$build/tests/xen9pfsd-synth
    XEN9PFSD_SYNTH=read=20ms,statfs=30ms daemon_start
    sim bench-files "$share"
    visit 1 bench --time 200 --depth 4 --beside-statfs read4k >"$work/slow"
    # An operation began before the one that is measured: none is shorter than the delay.
    is_more "$(figure p50_us "$work/slow")" 19999 || fail "$(cat "$work/slow")"
}

test_single_figures_are_told() {
    daemon_start
    sim bench-files "$share"
    sim bench-wake --time 20 --direct "$share/bench" >"$work/wake"
    is_more "$(figure reading_p50_us "$work/wake")" 0 || fail "$(cat "$work/wake")"
    is_more "$(figure polling_p50_us "$work/wake")" 0 || fail "$(cat "$work/wake")"
    visit 1 bench-idle --time 100 --server "$daemon_pid" >"$work/idle"
    grep -q '"wakeups_s": ' "$work/idle" || fail "$(cat "$work/idle")"
    visit 1 bench-connect --count 3 >"$work/connect"
    [ "$(figure operations "$work/connect")" = 3 ] || fail "$(cat "$work/connect")"
    visit 1 bench-fids --count 100000 --server "$daemon_pid" >"$work/fids"
    is_more "$(figure getattr_many_us "$work/fids")" 0 || fail "$(cat "$work/fids")"
    # Others' memory is for root to look at.
    [ "$(id -u)" != 0 ] || is_more "$(figure bytes_each "$work/fids")" 1 || fail "$(cat "$work/fids")"
}

test_a_row_that_is_none_is_refused() {
    daemon_start
    ! visit 1 bench nothing >"$work/out" 2>&1 || fail "there is such a row"
    grep -q 'no row "nothing"' "$work/out" || fail "$(cat "$work/out")"
}

run_tests "$@"
