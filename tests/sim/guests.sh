#!/bin/bash
# Several guests, several shares: each sees its own and nothing else.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

test_two_shares_of_one_guest_work_at_the_same_time() {
    [ -x "$kernel" ] || skip "$kernel is not built"
    daemon_start
    mkdir "$share/a" "$share/b"
    sim --path "$share/a" --devid 0 attach --wait
    sim --path "$share/b" --devid 1 attach --wait
    kernel 1 two-shares
    [ "$(ls "$share")" = "$(printf 'a\nb')" ] || fail "files in the wrong place"
    [ "$(stat -c %s "$share/a/numbers")" = "$(stat -c %s "$share/b/numbers")" ] || fail "sizes"
    ! cmp -s "$share/a/numbers" "$share/b/numbers" || fail "both shares have the same content"
    sim --devid 0 detach >/dev/null
    sim --devid 1 detach >/dev/null
    nothing_left 1
}

test_three_guests_under_load_see_only_their_own() {
    local pids=()
    daemon_start
    for domid in 1 2 3; do
        mkdir "$share/$domid"
        echo "of guest $domid" >"$share/$domid/mark"
        load "load-$domid" --domid $domid --path "$share/$domid" -- -s 4 -n 16 -f 16M mixed
        pids+=("$pid")
    done
    for domid in 1 2 3; do
        load_is_good "load-$domid" "${pids[domid - 1]}"
        [ "$(visit $domid --path "$share/$domid" cat mark)" = "of guest $domid" ] ||
            fail "guest $domid sees another's share"
        [ "$(ls "$share/$domid")" = mark ] || fail "guest $domid: $(ls "$share/$domid")"
        nothing_left $domid
    done
}

test_both_kinds_are_served_by_one_daemon() {
    local first
    daemon_start
    load first --domid 1 --kind 9pfs --path "$share" -- -s 2 -n 8 -f 8M mixed
    first=$pid
    mkdir "$share/other"
    load second --domid 2 --kind xen_9pfs --path "$share/other" -- -s 2 -n 8 -f 8M mixed
    load_is_good second "$pid"
    load_is_good first "$first"
}

test_three_guests_may_share_one_directory() {
    daemon_start
    sim --domid 1 --path "$share" attach --wait
    sim --domid 2 --path "$share" attach --wait
    hold holder.out --domid 1
    echo together >"$work/in"
    sim --domid 2 put "$work/in" file
    [ "$(visit 3 cat file)" = together ] || fail "the other guest's file"
}

test_hundred_connections_leave_nothing_behind() {
    local fds rss fds_after rss_after
    daemon_start
    sim --domid 9 --path "$share" attach --wait
    hold other.out --domid 9
    visit 1 ls >/dev/null
    fds=$(daemon_fds)
    rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$daemon_pid/status")
    for ((i = 0; i < 100; i++)); do
        visit 1 ls >/dev/null
    done
    await "only one share is left" one_share
    fds_after=$(daemon_fds)
    rss_after=$(awk '/^VmRSS/ { print $2 }' "/proc/$daemon_pid/status")
    [ "$fds_after" = "$fds" ] || fail "the daemon had $fds descriptors, now $fds_after"
    sanitized || [ "$rss_after" -le $((rss + 2048)) ] ||
        fail "the daemon had $rss KiB, now $rss_after"
    await "nothing of the guest is in use" usage_is_zero 1
    ! back_nodes | grep -q '/1/' || fail "stale nodes: $(back_nodes)"
}

one_share() {
    [ "$(share_count)" = 1 ]
}

run_tests "$@"
