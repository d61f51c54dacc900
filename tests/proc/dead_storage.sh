#!/bin/bash
# Storage that does not answer, now or ever: whoever touches it sleeps in the kernel and cannot be
# killed. It holds up what is on it, and nothing else.
# Its mounts go when it ends, however it does.
if [ "$(id -u)" = 0 ] && [ -z "${IN_NAMESPACE:-}" ] && unshare --mount true 2>/dev/null; then
    IN_NAMESPACE=1 exec unshare --mount "$0" "$@"
fi
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

server=''

# storage_start: on $work/storage, alive; `share` in it is a directory to export.
storage_start() {
    need_root "to mount"
    [ -n "${IN_NAMESPACE:-}" ] || skip "there is no mount namespace to be had"
    [ -e /dev/fuse ] || skip "there is no /dev/fuse"
    mkdir "$work/storage"
    background storage.out "$build/tests/lib/dead_storage" "$work/storage" "$work/dead"
    server=$pid
    await "the storage is mounted" mounted_or_ended
    grep -q 'is ready' "$work/storage.out" || skip "FUSE cannot be mounted here"
}

mounted_or_ended() {
    grep -q 'is ready' "$work/storage.out" || ended "$server"
}

storage_dies() {
    : >"$work/dead"
}

storage_lives() {
    rm "$work/dead"
}

# Those who sleep are woken by an error.
storage_ends() {
    kill_hard "$server"
}

somebody_sleeps() {
    await "somebody asks the storage in vain" grep -q 'in vain' "$work/storage.out"
}

# read_until_dead: guest 1 reads when the storage dies; its pid is in $pid.
read_until_dead() {
    sim --domid 1 --path "$work/storage/share" attach --wait
    "$simulator" --bus "sim:$bus" --domid 1 cat file >/dev/null 2>"$work/cat.out" </dev/null &
    pid=$!
    started+=("$pid")
    await "the guest reads" grep -q 'is read$' "$work/storage.out"
    storage_dies
    somebody_sleeps
}

opener_sleeps() {
    [ -n "$(shares)" ]
}

others_are_served() {
    local domid=${1:-2}
    visit "$domid" day >"$work/day" 2>&1 || fail "another share: $(cat "$work/day")"
    verb status >"$work/status" || fail "the daemon does not answer"
    nothing_left_of "$domid"
}

nothing_left_of() {
    await "guest $1: nothing of it is in use" usage_is_zero "$1"
}

# As long as it lives: what it counts in is not what is best read at a time.
test_space_is_told_in_the_unit_it_is_counted_in() {
    storage_start
    daemon_start --export "$work/storage"
    sim --domid 1 --path "$work/storage/share" statfs >"$work/statfs"
    grep -qx 'bsize=4096' "$work/statfs" || fail "$(cat "$work/statfs")"
    grep -qx 'blocks=1000' "$work/statfs" || fail "$(cat "$work/statfs")"
}

test_export_on_dead_storage_holds_up_its_own_device() {
    storage_start
    daemon_start --export "$share" --export "$work/storage"
    storage_dies
    sim --domid 1 --path "$work/storage/share" attach
    somebody_sleeps
    others_are_served
    [ "$(back_state 1)" = 1 ] || fail "the device is published: $(back_state 1)"
    # It can be taken away again.
    sim --domid 1 detach
    ! back_nodes | grep -q /1/ || fail "$(back_nodes)"
    others_are_served 3
    storage_ends
    await "nobody sleeps any more" no_shares
}

test_device_is_published_when_the_storage_answers() {
    storage_start
    daemon_start --export "$share" --export "$work/storage"
    storage_dies
    sim --domid 1 --path "$work/storage/share" attach
    somebody_sleeps
    [ "$(back_state 1)" = 1 ] || fail "state $(back_state 1)"
    storage_lives
    await_back 2 1
    sim --domid 1 detach
    storage_dies
    sim --domid 2 --path "$work/storage/share" attach
    await "it is asked once more" opener_sleeps
    storage_ends
    await_log 'guest 2 dev 0: refused: path .*storage/share": '
    [ "$(back_state 2)" = 1 ] || fail "state $(back_state 2)"
}

test_daemon_starts_with_a_tree_on_dead_storage() {
    storage_start
    storage_dies
    daemon_start --export "$share" --export "$work/storage/share"
    logged 'storage/share" does not answer; only what is in it waits' || fail "it does not say so"
    others_are_served
    storage_ends
}

# Who sleeps has nothing that the next launcher needs.
test_launcher_starts_anew_beside_dead_storage() {
    local exports=(--export "$share" --export "$work/storage")
    storage_start
    launcher_start "${exports[@]}"
    daemon_start --launcher=service "${exports[@]}"
    storage_dies
    sim --domid 1 --path "$work/storage/share" attach
    somebody_sleeps
    kill_hard "$service"
    await "the daemon ends" ended "$daemon_pid"
    daemon_pid=
    launcher_start "${exports[@]}"
    daemon_again --launcher=service "${exports[@]}"
    others_are_served
    daemon_stop
    kill_hard "$service"
    storage_ends
}

stranger_has_a_file() {
    [[ "$(readlink "/proc/$pid/fd/5")" == */file ]]
}

# Strangers have files there under the number that an arena has with us.
test_process_that_does_not_answer_is_found_beside_dead_storage() {
    local guest
    storage_start
    daemon_start
    sim --domid 1 --path "$share" attach --wait
    hold guest.out --domid 1
    guest=$pid
    sleep 3600 5<"$work/storage/share/file" &
    pid=$!
    started+=("$pid")
    await "a stranger has a file there" stranger_has_a_file
    storage_dies
    kill_hard "$daemon_pid"
    # shellcheck disable=SC2046 # a list of pids
    kill -STOP $(share_processes)
    daemon_again
    await_log 'its process does not answer; killed'
    await_log 'guest 1 dev 0: served by keeper'
    daemon_lives
    kill_hard "$guest"
    sim --domid 1 detach >/dev/null
    storage_ends
}

# Its rings are unmapped although a thread of its worker will not return.
test_guest_with_a_request_on_dead_storage_can_be_destroyed() {
    storage_start
    daemon_start --export "$share" --export "$work/storage"
    read_until_dead
    others_are_served
    kill_hard "$pid"
    sim --domid 1 detach >/dev/null
    nothing_left_of 1
    [ -n "$(shares)" ] || fail "nobody sleeps any more: this shows nothing"
    others_are_served 3
    storage_ends
    await "nobody is left" no_shares
}

test_daemon_ends_in_good_order_beside_dead_storage() {
    storage_start
    daemon_start --export "$share" --export "$work/storage"
    read_until_dead
    daemon_end INT
    nothing_left_of 1
    storage_ends
    await "nobody is left" no_shares
}

run_tests "$@"
