#!/bin/bash
# Nonsense in the store, from the toolstack and from guests: said once, with guest, device and
# key, and nobody else notices.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

# start_with_a_good_guest: guest 1 is mounted, and stays so.
start_with_a_good_guest() {
    daemon_start
    mkdir "$share/good"
    sim --path "$share/good" attach --wait
    hold good.out
    good=$pid
}

good_guest_is_well() {
    ! ended "$good" || fail "the good guest: $(cat "$work/good.out")"
    [ "$(back_state 1)" = 4 ] || fail "the good guest's backend is in state $(back_state 1)"
    visit 3 ls >/dev/null || fail "another guest cannot mount"
    daemon_lives
}

# What the toolstack writes into the backend's directory of guest 2, before the daemon sees it.
# bad_back_node KEY VALUE PATTERN
bad_back_node() {
    sim --domid 2 --path "$share" attach
    sim xs-write -- "$(back_dir 2)/$1" "$2"
    start_with_a_good_guest
    await_log "guest 2 dev 0: .*$3"
    [ "$(back_state 2)" = 1 ] || fail "state $(back_state 2)"
    [ "$(log_count "guest 2 dev 0: .*$3")" = 1 ] || fail "said more than once"
    good_guest_is_well
    sim --domid 2 detach >/dev/null
    nothing_left_of 2
}

test_frontend_id_that_is_no_number_is_refused() {
    bad_back_node frontend-id two 'frontend-id is not 2'
}

test_frontend_id_of_another_guest_is_refused() {
    bad_back_node frontend-id 1 'frontend-id is not 2'
}

test_huge_frontend_id_is_refused() {
    bad_back_node frontend-id 4294967298 'frontend-id is not 2'
}

test_frontend_of_another_guest_is_refused() {
    bad_back_node frontend /local/domain/1/device/9pfs/0 'frontend is not /local/domain/2/'
}

test_empty_frontend_is_refused() {
    bad_back_node frontend '' 'frontend is not /local/domain/2/'
}

test_unknown_security_model_is_refused() {
    bad_back_node security_model maximum 'security_model'
}

test_empty_security_model_is_refused() {
    bad_back_node security_model '' 'security_model'
}

test_huge_security_model_is_refused() {
    bad_back_node security_model "$(printf 'x%.0s' {1..2000})" 'security_model'
}

test_limit_that_is_no_number_is_refused() {
    bad_back_node max-space lots 'max-space: not a number from 0 to 4294967295'
}

test_empty_limit_is_refused() {
    bad_back_node max-files '' 'max-files: not a number from 0 to 4294967295'
}

test_limit_of_more_than_32_bits_is_refused() {
    bad_back_node max-open-files 4294967296 'max-open-files: not a number from 0 to 4294967295'
}

test_negative_limit_is_refused() {
    bad_back_node max-space -1 'max-space: not a number from 0 to 4294967295'
}

test_huge_limit_is_refused() {
    bad_back_node max-space "$(printf '9%.0s' {1..2000})" 'max-space: '
}

test_auto_delete_that_is_neither_on_nor_off_is_refused() {
    bad_back_node auto-delete 2 'auto-delete: not a number from 0 to 1'
}

test_huge_path_is_refused() {
    bad_back_node path "$share/$(printf 'x%.0s' {1..2000})" 'refused: path '
}

test_path_with_control_characters_is_shown_escaped() {
    bad_back_node path "$share"$'/a\nxen9pfsd: forged\x1b[31m' 'a\\x0axen9pfsd: forged\\x1b\[31m'
    ! grep -q '^xen9pfsd: forged' "$log" || fail "a line is forged"
    ! grep -q $'\x1b' "$log" || fail "an escape sequence is in the log"
}

missing_back_node() { # KEY PATTERN
    [ -x "$kernel" ] || skip "$kernel is not built"
    sim --domid 2 --path "$share" attach
    kernel 0 remove "$(back_dir 2)/$1"
    start_with_a_good_guest
    await_log "guest 2 dev 0: .*$2"
    good_guest_is_well
}

test_missing_path_is_refused() {
    missing_back_node path 'path cannot be read'
}

test_missing_frontend_is_refused() {
    missing_back_node frontend 'frontend is not /local/domain/2/'
}

test_missing_frontend_id_is_refused() {
    missing_back_node frontend-id 'frontend-id is not 2'
}

test_missing_security_model_is_refused() {
    missing_back_node security_model security_model
}

test_state_that_is_no_number_does_no_harm() {
    sim --domid 2 --path "$share" attach
    sim xs-write "$(back_dir 2)/state" one
    start_with_a_good_guest
    for value in '' 99 -1 4294967297 1x; do
        sim xs-write -- "$(back_dir 2)/state" "$value"
        sleep 0.05
    done
    good_guest_is_well
    sim xs-write "$(back_dir 2)/state" 1
    await_back 2 2
    sim --domid 2 ls >/dev/null
}

test_online_that_is_no_number_counts_as_removal() {
    sim --domid 2 --path "$share" attach
    start_with_a_good_guest
    await_back 2 2
    sim xs-write "$(back_dir 2)/online" maybe
    await_back 6 2
    good_guest_is_well
}

test_directories_that_are_no_devices_are_passed_over() {
    start_with_a_good_guest
    for name in x 01 -1 ' 5' 5x 4294967296 18446744073709551617 '+5'; do
        sim xs-write "/local/domain/0/backend/9pfs/$name/0/state" 1 2>/dev/null || true
        sim xs-write "/local/domain/0/backend/9pfs/5/$name/state" 1 2>/dev/null || true
    done
    sim xs-write /local/domain/0/backend/9pfs/stray 1
    sim xs-write /local/domain/0/backend/9pfs/6/stray 1
    good_guest_is_well
    ! logged 'guest 5 ' || fail "guest 5 was seen"
    ! logged 'guest 6 ' || fail "guest 6 was seen"
    ! back_nodes | grep -q '/[56]/.*state = "[23456]"' || fail "states: $(back_nodes)"
}

test_largest_numbers_are_devices_too() {
    daemon_start
    sim --domid 32751 --devid 4294967295 --path "$share" ls >/dev/null
    logged 'guest 32751 dev 4294967295: connected' || fail "it was not served"
}

# What guest 2 writes before it says 3. bad_front_node KEY VALUE PATTERN
bad_front_node() {
    start_with_a_good_guest
    sim --domid 2 --path "$share" attach --wait
    front_keys 2
    sim xs-write "$(front_dir 2)/$1" "$2"
    set_front_state 2 3
    await_log "guest 2 dev 0: frontend: .*$3"
    await_back 56 2
    no_other_share || fail "a process was started"
    [ "$(log_count "guest 2 dev 0: frontend: .*$3")" = 1 ] || fail "said more than once"
    good_guest_is_well
    sim --domid 2 detach >/dev/null
    nothing_left_of 2
}

# Keys as they should be, though there are no such grants and ports.
front_keys() { # DOMID
    sim xs-write "$(front_dir "$1")/version" 1
    sim xs-write "$(front_dir "$1")/num-rings" 2
    for ring in 0 1; do
        sim xs-write "$(front_dir "$1")/ring-ref$ring" 8
        sim xs-write "$(front_dir "$1")/event-channel-$ring" 9
    done
}

no_other_share() {
    [ "$(share_count)" = 1 ]
}

nothing_left_of() { # DOMID, while another guest is mounted
    await "only the good guest's share is left" no_other_share
    await "guest $1: nothing of it is in use" usage_is_zero "$1"
    ! back_nodes | grep -q "/$1/" || fail "stale nodes: $(back_nodes)"
}

test_version_of_a_guest_is_checked() {
    bad_front_node version 2 'version is not 1'
}

test_number_of_rings_is_checked() {
    bad_front_node num-rings 9 'num-rings is not a number from 1 to 8'
}

test_huge_number_of_rings_is_checked() {
    bad_front_node num-rings "$(printf '9%.0s' {1..2000})" 'num-rings is not a number from 1 to 8'
}

test_ring_reference_is_checked() {
    bad_front_node ring-ref1 8x 'ring-ref1 is missing or no number above 0'
}

test_event_channel_is_checked() {
    bad_front_node event-channel-1 0 'event-channel-1 is missing or no number above 0'
}

test_rings_that_do_not_exist_close_the_device() {
    start_with_a_good_guest
    sim --domid 2 --path "$share" attach --wait
    front_keys 2
    set_front_state 2 3
    await_log 'guest 2 dev 0: closed: ring 0: '
    await_back 56 2
    good_guest_is_well
    sim --domid 2 detach >/dev/null
    nothing_left_of 2
}

test_guests_text_forges_no_line() {
    local text=$'1\nxen9pfsd: guest 1 dev 0: forged\r\x1b[2J\x07'
    start_with_a_good_guest
    sim --domid 2 --path "$share" attach --wait
    front_keys 2
    for key in version num-rings ring-ref0 event-channel-0 state tag; do
        sim xs-write "$(front_dir 2)/$key" "$text"
    done
    set_front_state 2 3
    await_back 56 2
    sim --domid 2 detach >/dev/null
    ! grep -q '^xen9pfsd: guest 1 dev 0: forged' "$log" || fail "a line is forged"
    ! LC_ALL=C grep -q '[^ -~]' "$log" || fail "the log is not plain text"
    good_guest_is_well
}

test_guest_that_changes_its_keys_gets_no_line_for_each() {
    local lines
    start_with_a_good_guest
    sim --domid 2 --path "$share" attach --wait
    lines=$(wc -l <"$log")
    front_keys 2
    for ((i = 0; i < 30; i++)); do
        sim xs-write "$(front_dir 2)/num-rings" $((i % 3 + 9))
        set_front_state 2 3
        set_front_state 2 1
    done
    lines=$(($(wc -l <"$log") - lines))
    [ $lines -le 60 ] || fail "$lines lines for 30 turns"
    good_guest_is_well
    sim --domid 2 detach >/dev/null
    nothing_left_of 2
}

run_tests "$@"
