#!/bin/bash
# Rings of every size and number; messages as large as they carry.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

# work_through RINGS ORDER: a file larger than all rings together, and verified load.
work_through() {
    head -c 9M /dev/urandom >"$work/in"
    visit 1 --rings "$1" --order "$2" put "$work/in" big
    cmp "$work/in" "$share/big" || fail "$1 rings of order $2: the file differs"
    visit 1 --rings "$1" --order "$2" cat big | cmp - "$work/in" ||
        fail "$1 rings of order $2: what is read differs"
    load load.out --path "$share" --rings "$1" --order "$2" -- -s 1 -n 8 -f 4M mixed
    load_is_good load.out "$pid"
}

test_one_ring_of_order_1_works() {
    daemon_start
    work_through 1 1
}

test_one_ring_of_order_2_works() {
    daemon_start
    work_through 1 2
}

test_one_ring_of_order_3_works() {
    daemon_start
    work_through 1 3
}

test_one_ring_of_order_4_works() {
    daemon_start
    work_through 1 4
}

test_eight_rings_of_order_1_work() {
    daemon_start
    work_through 8 1
}

test_eight_rings_of_order_9_work() {
    daemon_start
    work_through 8 9
}

test_what_is_offered_is_8_rings_of_order_9() {
    daemon_start
    sim --path "$share" attach --wait
    [ "$(node "$(back_dir 1)/versions")" = 1 ] || fail "versions"
    [ "$(node "$(back_dir 1)/max-rings")" = 8 ] || fail "max-rings"
    [ "$(node "$(back_dir 1)/max-ring-page-order")" = 9 ] || fail "max-ring-page-order"
}

# A request of the load is as large as one message allows: msize less 24, whole words.
test_msize_is_what_the_ring_carries() {
    local half size
    daemon_start
    for order in 1 2 5 8 9; do
        half=$(((4096 << order) / 2))
        size=$(visit 1 --order $order --msize 1M load -s 0 -n 2 -b 2M read |
            sed 's/.* size=\([0-9]*\) .*/\1/')
        [ "$size" = $((half - 24)) ] || fail "order $order: $size bytes in a message"
    done
}

test_mixed_load_32_deep_is_right() {
    daemon_start
    load load.out --path "$share" -- -s 5 -n 32 mixed
    load_is_good load.out "$pid"
    nothing_left 1
}

test_mixed_load_of_small_messages_512_deep_is_right() {
    daemon_start
    load load.out --path "$share" --rings 4 -- -s 3 -n 512 -b 512 -f 8M mixed
    load_is_good load.out "$pid"
    nothing_left 1
}

# guest_does VERB: one mount, and the device's end.
guest_does() {
    [ -x "$kernel" ] || skip "$kernel is not built"
    daemon_start
    sim --path "$share" attach --wait
    kernel 1 "$1" || fail "the guest is not content"
    sim detach >/dev/null
    nothing_left 1
}

test_a_further_version_in_a_live_ring_begins_anew() {
    guest_does version
}

test_a_mini_os_that_was_replaced_goes_on_in_its_ring() {
    guest_does mini-os
}

test_a_wait_is_flushed_from_any_ring() {
    guest_does flush
}

# The loop has work from one ring all the time: the other's messages must not wait for its end.
test_a_ring_that_is_always_full_leaves_the_other_its_turns() {
    local depths few many
    share_on tmpfs 100000
    sim bench-files "$share"
    daemon_start --export "$share"
    depths=$(printf '64,%.0s' {1..9})64
    visit 1 bench --time 200 --depth "$depths" write64k >"$work/bench.out"
    while read -r few many; do
        [ $((few * 10)) -ge "$many" ] || fail "one ring had $few operations, the other $many"
    done < <(sed -n 's/.*"rings": \[\([0-9]*\), \([0-9]*\)\].*/\1 \2/p' "$work/bench.out" |
        awk '{ print ($1 < $2) ? $1 " " $2 : $2 " " $1; n++ } END { if (n != 10) print "0 1" }')
}

run_tests "$@"
