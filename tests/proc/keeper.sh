#!/bin/bash
# A share's worker dies: its keeper starts another one, until it has reason not to.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

# The one keeper, and its worker.
keeper() {
    shares | tr -d ' '
}

worker() {
    tr -d ' ' <"/proc/$(keeper)/task/$(keeper)/children"
}

attach_and_hold() {
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
}

is_followed() { # WORKER
    local now
    now=$(worker)
    [ -n "$now" ] && [ "$now" != "$1" ] && [ "$(cat "/proc/$now/comm")" = xen9pfsd-share ]
}

test_share_is_a_keeper_and_a_worker_with_one_table() {
    attach_and_hold
    [ "$(cat "/proc/$(keeper)/comm")" = xen9pfsd-keeper ] || fail "the keeper's name"
    [ "$(cat "/proc/$(worker)/comm")" = xen9pfsd-share ] || fail "the worker's name"
    [ "$(group_of "$(worker)")" = "$(keeper)" ] || fail "the group"
    diff <(cd "/proc/$(keeper)/fd" && echo *) <(cd "/proc/$(worker)/fd" && echo *) ||
        fail "their descriptors differ"
    # The keeper has nothing of the guest, and one thread.
    ! grep -q "$bus" "/proc/$(keeper)/maps" || fail "$(cat "/proc/$(keeper)/maps")"
    [ "$(find "/proc/$(keeper)/task" -mindepth 1 -maxdepth 1 | wc -l)" = 1 ] || sanitized ||
        fail "the keeper has threads"
}

# Once it is shared, each time it has to grow would cost a request 20 ms and more.
test_table_is_wide_before_it_is_shared() {
    local size
    attach_and_hold
    size=$(sed -n 's/^FDSize:\t//p' "/proc/$(worker)/status")
    [ "$size" -ge 4096 ] || [ "$size" -ge "$(ulimit -Hn)" ] || fail "it is $size wide"
}

test_killed_worker_is_followed_by_another() {
    local first old
    attach_and_hold
    first=$(keeper)
    for ((i = 1; i <= 5; i++)); do
        old=$(worker)
        kill -KILL "$old"
        await "there is another worker" is_followed "$old"
        await_log "process $old was killed by signal 9 (Killed), death number $i\$"
        await_log "process $(worker) serves, after"
    done
    [ "$(keeper)" = "$first" ] || fail "the keeper is another one"
    [ "$(back_state 1)" = 4 ] || fail "the backend's state is $(back_state 1)"
}

need_all_walls() {
    need_root "namespaces are root's"
    ! sanitized || skip "a build with a sanitizer has fewer walls"
    ! grep -qa XEN9PFSD_CRASH "$daemon" || skip "a build with crash points has fewer walls"
}

test_worker_has_numbers_of_its_own() {
    need_all_walls
    attach_and_hold
    [[ "$(sed -n 's/^NSpid:\t//p' "/proc/$(worker)/status")" =~ ^"$(worker)"[[:space:]]1$ ]] ||
        fail "$(grep NSpid "/proc/$(worker)/status")"
}

# The limit is that of a user namespace, where the daemon is root.
test_successor_without_numbers_of_its_own_says_so_once() {
    local old i
    need_all_walls
    daemon_wrapper=(unshare --user --map-root-user)
    attach_and_hold
    ! logged 'cannot be had here:.* own process numbers' || skip "not in a user namespace"
    nsenter --user --target "$daemon_pid" \
        sh -c 'echo 0 >/proc/sys/user/max_pid_namespaces' || skip "the limit cannot be set"
    for i in 1 2; do
        old=$(worker)
        kill -KILL "$old"
        await "there is another worker" is_followed "$old"
        await_log "process $(worker) serves, after"
    done
    [ "$(log_count 'cannot be had here: own process numbers$')" = 1 ] || fail "$(cat "$log")"
}

# A first process of a namespace would not hear of the signal.
test_worker_that_smells_of_an_attack_is_not_followed() {
    [ "$(id -u)" != 0 ] || daemon_wrapper=(setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin)
    attach_and_hold
    kill -SYS "$(worker)"
    await_log 'closed: .*looks like an attack'
    await_back 56 1
    finish "$pid" || true
    await "the share is buried" no_shares
}

test_memory_shortage_takes_the_worker_first() {
    local inherited
    attach_and_hold
    inherited=$(cat "/proc/$daemon_pid/oom_score_adj")
    [ "$(cat "/proc/$(worker)/oom_score_adj")" = "$inherited" ] || fail "the worker's score"
    (echo -900 >/proc/self/oom_score_adj) 2>/dev/null || skip "may not lower scores"
    [ "$(cat "/proc/$(keeper)/oom_score_adj")" = -900 ] || fail "the keeper's score"
}

run_tests "$@"
