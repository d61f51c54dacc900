#!/bin/bash
# A guest that does one thing without end: it costs no more than was agreed, nobody else waits, and
# what the guest does in earnest afterwards is noticed.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

# write_often NODE: into the frontend's directory of guest 1.
write_often() {
    for ((i = 0; i < 40; i++)); do
        sim xs-write "$(front_dir 1)/$1" "${2:-x}"
    done
}

flood() { # NODE VALUE
    daemon_start --export "$share" --max-store-events 20
    sim --path "$share" attach --wait
    hold guest.out
    write_often "$@"
    await_log 'guest 1 dev 0: its frontend changes without end'
    visit 2 ls >/dev/null
    ! ended "$pid" || fail "the guest has lost its share: $(cat "$work/guest.out")"
    [ "$(back_state 1)" = 4 ] || fail "state $(back_state 1)"
    # It comes while nobody watches.
    set_front_state 1 6
    await_back 6 1
    write_often "$@"
    write_often "$@"
    [ "$(log_count 'changes without end')" = 1 ] || fail "said more than once"
    daemon_lives
    kill_hard "$pid"
    sim detach >/dev/null || fail "it cannot be removed"
    nothing_left 1
}

test_state_that_is_written_without_end() {
    flood state 4
}

# Longer than any path that is of interest.
test_nodes_below_the_state_that_are_written_without_end() {
    flood "state/$(printf 'x%.0s' {1..1000})"
}

test_guest_of_another_section_has_its_own_budget() {
    cat >"$work/xen9pfsd.conf" <<END
max-store-events = 20
share "talkative" {
    domid = "1"
    max-store-events = 1000
}
END
    daemon_start --config "$work/xen9pfsd.conf" --export "$share"
    hold guest.out --path "$share"
    write_often state 4
    visit 2 ls >/dev/null
    ! logged 'changes without end' || fail "the section does not count"
    kill -TERM "$pid"
    finish "$pid" || fail "the guest: $(cat "$work/guest.out")"
}

# Processor time of all workers, in hundredths of a second.
worker_time() {
    local worker
    for worker in $(workers); do
        sed 's/.*) //' "/proc/$worker/stat"
    done | awk '{ sum += $12 + $13 } END { print sum * 100 / '"$(getconf CLK_TCK)"' }'
}

test_events_for_nothing_cost_next_to_nothing() {
    local begin time took
    [ -x "$kernel" ] || skip "$kernel is not built"
    daemon_start
    sim --path "$share" attach --wait
    background storm.out "$kernel" "$bus" 1 storm
    await "the guest mounts" holds_or_ended storm.out "$pid"
    begin=$(date +%s%3N)
    time=$(worker_time)
    sleep 3
    time=$(($(worker_time) - time))
    took=$(($(date +%s%3N) - begin))
    ! ended "$pid" || fail "the guest: $(cat "$work/storm.out")"
    [ $((time * 250)) -lt "$took" ] || fail "$time of $((took / 10)) hundredths of a second"
    visit 2 ls >/dev/null
    # A request comes through all the same.
    kill -TERM "$pid"
    finish "$pid" || fail "the guest: $(cat "$work/storm.out")"
    sim detach >/dev/null
    nothing_left 1
}

# mount_four_times [OPTION...]: how long it takes, in ms, is in $took.
mount_four_times() {
    local begin
    daemon_start --export "$share" "$@"
    begin=$(date +%s%3N)
    sim --path "$share" attach --wait
    for i in 1 2 3 4; do
        sim ls >/dev/null || fail "mount $i"
    done
    took=$(($(date +%s%3N) - begin))
}

# The second, third and fourth time it has to wait 250 ms more each.
test_guest_that_connects_more_often_than_it_may_waits() {
    mount_four_times --max-connects 1
    [ "$took" -ge 1500 ] || fail "$took ms"
}

test_lines_of_one_device_are_limited() {
    local lines
    daemon_start --export "$share" --max-log-lines 10
    sim --path "$share" attach --wait
    for i in 1 2 3 4 5; do
        sim ls >/dev/null
    done
    [ "$(log_count 'guest 1 dev 0: .*further lines are left out')" -ge 1 ] || fail "nothing is left out"
    # A slow test has several periods.
    lines=$(log_count '^xen9pfsd: guest 1 dev 0: ')
    [ "$lines" -le $((10 * $(log_count 'further lines are left out') + 10)) ] || fail "$lines lines"
    visit 2 ls >/dev/null
    logged 'guest 2 dev 0: connected' || fail "another guest's lines are missing"
    await "the next period" more_is_said
    logged 'guest 1 dev 0: [0-9]* lines were left out' || fail "nobody knows how many"
}

more_is_said() {
    sim ls >/dev/null
    logged 'lines were left out'
}

run_tests "$@"
