#!/bin/bash
# The daemon in a driver domain: other rights, and a directory that nobody else removes.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

# In domain 3, which the bus knows from the first connection on.
start_in_domain_3() {
    daemon_begin --bus "sim:$bus@3" --export "$share"
    await "the daemon serves" serves_or_ended
    logged 'domain 3$' || fail "the daemon does not serve in domain 3"
}

# removed_while_mounted KIND REMOVAL
removed_while_mounted() {
    start_in_domain_3
    sim --backend 3 --kind "$1" --path "$share" attach --wait
    hold guest.out --backend 3 --kind "$1"
    sim --backend 3 "$2" >"$work/removed" || fail "$2: libxl would wait in vain"
    nothing_left 1 3
    ! finish "$pid" || fail "the guest did not notice"
    sleep 0.3
    nothing_left 1 3
}

test_own_directory_of_kind_9pfs_is_removed_at_detach() {
    removed_while_mounted 9pfs detach
}

test_own_directory_of_kind_xen_9pfs_is_removed_at_detach() {
    removed_while_mounted xen_9pfs detach
}

test_own_directory_of_kind_9pfs_is_removed_at_destroy() {
    removed_while_mounted 9pfs destroy
}

test_own_directory_of_kind_xen_9pfs_is_removed_at_destroy() {
    removed_while_mounted xen_9pfs destroy
}

test_device_that_was_refused_is_removed_too() {
    start_in_domain_3
    sim --backend 3 --path /nowhere attach
    await_log 'guest 1 dev 0: refused'
    sim --backend 3 detach >/dev/null || fail "libxl would wait in vain"
    nothing_left 1 3
}

own_state() { # DOMID
    node "/local/domain/3/backend/9pfs/$1/0/state"
}

own_state_is() {
    [ "$(own_state "$1")" = "$2" ]
}

# Nobody has served it, and it was not the toolstack who closed it.
test_device_that_was_refused_and_detached_is_left_to_the_toolstack() {
    start_in_domain_3
    sim --backend 3 --path /nowhere attach
    await_log 'guest 1 dev 0: refused'
    timeout -k 10 "$guard" "$daemon" --bus "sim:$bus@3" detach 1/0
    await "it is closed" own_state_is 1 6
    daemon_leave
    : >"$log"
    start_in_domain_3
    visit 2 --backend 3 ls >/dev/null
    [ "$(own_state 1)" = 6 ] || fail "state $(own_state 1)"
    sim --backend 3 detach >/dev/null || fail "libxl would wait in vain"
    nothing_left 1 3
}

# Unlike domain 0, which may read everything.
test_frontend_that_cannot_be_read_any_more_is_gone() {
    start_in_domain_3
    sim --domid 1 --backend 3 --path "$share" misbehave 'front-*' >"$work/kinds" 2>&1 ||
        fail "$(cat "$work/kinds")"
    grep -q 'ok *front-unreadable *state 6' "$work/kinds" || fail "$(cat "$work/kinds")"
    logged 'guest 1 dev 0: closed (frontend gone)' || fail "it was not seen"
    nothing_left 1 3
}

test_daemons_of_two_domains_serve_one_bus() {
    local first_pid first_log
    daemon_start
    first_pid=$daemon_pid first_log=$log
    log=$work/second.out
    : >"$log"
    start_in_domain_3
    load one.out --domid 1 --path "$share" -- -s 2 -n 8 -f 8M mixed
    local one=$pid
    mkdir "$share/other"
    load two.out --domid 2 --backend 3 --path "$share/other" -- -s 2 -n 8 -f 8M mixed
    load_is_good two.out "$pid"
    load_is_good one.out "$one"
    ! grep -q 'guest 2' "$first_log" || fail "domain 0 touched domain 3's device"
    ! grep -q 'guest 1' "$log" || fail "domain 3 touched domain 0's device"
    daemon_stop
    daemon_pid=$first_pid log=$first_log
}

run_tests "$@"
