#!/bin/bash
# The daemon goes and comes back: its guests keep their sessions, and state 4 never changes.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

keeper='' guest='' watcher=''

# A guest that has mounted $share and stays.
connect() {
    sim --path "$share" attach --wait
    hold guest.out
    guest=$pid
    keeper=$(keepers)
    [ "$(wc -w <<<"$keeper")" = 1 ] || fail "keepers: $keeper"
    background watch.out watch_state
    watcher=$pid
}

# Everything but 4 that the backend's state reads, as long as it is wanted.
watch_state() {
    local state
    until [ -e "$work/seen-enough" ]; do
        state=$(back_state 1)
        [ "$state" = 4 ] || echo "state $state"
    done
}

state_never_left_4() {
    touch "$work/seen-enough"
    finish "$watcher"
    [ ! -s "$work/watch.out" ] || fail "the backend's state: $(sort -u "$work/watch.out")"
    [ "$(back_state 1)" = 4 ] || fail "the backend's state is $(back_state 1)"
    ! ended "$guest" || fail "the guest has lost its session: $(cat "$work/guest.out")"
}

# The device goes as if nothing had ever happened.
leaves_nothing() {
    kill_hard "$guest"
    sim detach >/dev/null || fail "libxl would wait in vain"
    nothing_left 1
    no_share_files || fail "files are left: $(ls "$bus/xen9pfsd")"
}

no_share_files() {
    [ -z "$(find "$bus/xen9pfsd" -name '*9pfs-*')" ]
}

# ---- the daemon alone ----

test_killed_daemon_is_followed_by_one_that_adopts() {
    daemon_start
    connect
    kill_hard "$daemon_pid"
    sleep 0.3
    daemon_again
    await_log "guest 1 dev 0: adopted its keeper $keeper"
    [ "$(keepers)" = "$keeper" ] || fail "keeper $keeper has become $(keepers)"
    state_never_left_4
    leaves_nothing
}

test_daemon_may_be_killed_ten_times() {
    daemon_start
    connect
    for ((i = 0; i < 10; i++)); do
        kill_hard "$daemon_pid"
        daemon_again
        await_log "adopted its keeper $keeper"
    done
    state_never_left_4
    leaves_nothing
}

test_killed_daemon_leaves_no_work_undone() {
    daemon_start
    sim --path "$share" attach --wait
    load load.out -- -s 3600 -n 16 -f 16M mixed
    await_back 4 1
    for ((i = 0; i < 3; i++)); do
        sleep 0.5
        kill_hard "$daemon_pid"
        sleep 0.5
        daemon_again
    done
    load_end load.out "$pid"
    sim detach >/dev/null
    nothing_left 1
}

test_daemon_killed_at_any_moment_of_a_start_serves_in_the_end() {
    for ((i = 0; i < 15; i++)); do
        daemon_start
        sim --path "$share" attach --wait
        background guest.out "$simulator" --bus "sim:$bus" ls
        sleep "0.00$((i % 10))$((RANDOM % 10))"
        kill_hard "$daemon_pid"
        daemon_again
        finish "$pid" || fail "round $i: $(cat "$work/guest.out")"
        sim detach >/dev/null
        nothing_left 1
        daemon_stop
        : >"$log"
    done
}

# ---- leaving in good order ----

test_sigterm_leaves_the_guests_to_the_next_daemon() {
    daemon_start
    connect
    daemon_leave
    [ "$(back_state 1)" = 4 ] || fail "the backend's state is $(back_state 1)"
    [ "$(keepers)" = "$keeper" ] || fail "keeper $keeper has become $(keepers)"
    [ -z "$(workers)" ] || fail "process $(workers) still serves"
    [ "$(node /local/domain/0/libxl/xen-9pfs/state)" = running ] ||
        fail "libxl would start a backend of its own"
    daemon_again
    await_log "guest 1 dev 0: adopted its keeper $keeper, which holds"
    await_log "guest 1 dev 0: served by keeper $keeper"
    state_never_left_4
    leaves_nothing
}

test_sigterm_under_load_is_a_pause() {
    daemon_start
    sim --path "$share" attach --wait
    load load.out -- -s 3600 -n 16 -f 16M mixed
    await_back 4 1
    for ((i = 0; i < 3; i++)); do
        sleep 0.5
        daemon_leave
        [ "$(back_state 1)" = 4 ] || fail "the backend's state is $(back_state 1)"
        daemon_again
    done
    load_end load.out "$pid"
    sim detach >/dev/null
    nothing_left 1
}

test_sigterm_without_devices_ends_at_once() {
    daemon_start
    daemon_leave
}

test_device_that_waits_is_served_by_the_next_daemon() {
    daemon_start
    sim --path "$share" attach --wait
    daemon_leave
    daemon_again
    sim ls >/dev/null || fail "the guest cannot mount"
}

test_share_that_hangs_does_not_keep_the_daemon_from_leaving() {
    daemon_start
    connect
    # shellcheck disable=SC2046 # a list of pids
    kill -STOP $(share_processes)
    daemon_leave
    logged 'guest 1 dev 0: does not hold' || fail "nothing says so"
    # shellcheck disable=SC2046 # a list of pids
    kill -CONT $(share_processes)
    daemon_again
    await_log "served by keeper $keeper"
    state_never_left_4
}

# Its worker finds the order, and nobody to leave its descriptors to.
test_share_whose_keeper_is_killed_instead_of_holding_serves_on() {
    daemon_start
    connect
    kill -STOP "$keeper"
    kill -TERM "$daemon_pid"
    await_log stopping
    kill -KILL "$keeper"
    finish "$daemon_pid" || fail "the daemon does not leave"
    daemon_pid=
    [ -n "$(workers)" ] || fail "nobody serves"
    daemon_again
    await_log 'guest 1 dev 0: its worker lives, without a keeper'
    await_log 'guest 1 dev 0: served by keeper'
    state_never_left_4
    leaves_nothing
}

test_sigint_after_sigterm_closes() {
    daemon_start
    connect
    # shellcheck disable=SC2046 # a list of pids
    kill -STOP $(share_processes)
    kill -TERM "$daemon_pid"
    await_log stopping
    daemon_stop
    [[ 56 == *"$(back_state 1)"* ]] || fail "the backend's state is $(back_state 1)"
}

# ---- what happens while nobody looks ----

test_guest_that_closed_meanwhile_is_let_go() {
    daemon_start
    connect
    kill_hard "$daemon_pid"
    kill_hard "$guest"
    set_front_state 1 5
    touch "$work/seen-enough"
    daemon_again
    await_back 5 1
    await "the share has let go" usage_is_zero 1
    set_front_state 1 6
    await_back 6 1
    sim detach >/dev/null
    nothing_left 1
}

test_guest_that_was_reset_meanwhile_is_served_anew() {
    daemon_start
    connect
    touch "$work/seen-enough"
    daemon_leave
    kill_hard "$guest"
    set_front_state 1 1
    daemon_again
    await_back 2 1
    sim ls >/dev/null
    sim detach >/dev/null
    nothing_left 1
}

# Its kernel is another one, with other rings, and has taken the 4 that it found for an answer.
makes_other_rings() {
    kill_hard "$guest"
    touch "$work/seen-enough"
    sim xs-write "$(front_dir 1)/ring-ref0" 4000
}

other_rings_are_asked_for() {
    await_back 5 1
    await "the share has let go" usage_is_zero 1
    logged 'stopping (frontend has new rings)\|its session begins anew' || fail "nobody has noticed"
    set_front_state 1 1
    await_back 2 1
    sim ls >/dev/null
    sim detach >/dev/null
    nothing_left 1
}

test_guest_with_other_rings_is_not_served_at_the_old_ones() {
    daemon_start
    connect
    kill_hard "$daemon_pid"
    makes_other_rings
    daemon_again
    other_rings_are_asked_for
}

test_session_is_not_restored_to_other_rings() {
    daemon_start
    connect
    kill_hard "$daemon_pid"
    kill -KILL -- "-$keeper"
    makes_other_rings
    daemon_again
    other_rings_are_asked_for
    logged 'its session begins anew' || fail "the old session was restored"
}

removed_meanwhile() { # KIND REMOVAL
    daemon_start
    sim --kind "$1" --path "$share" attach --wait
    hold guest.out --kind "$1"
    kill_hard "$daemon_pid"
    background removal.out "$simulator" --bus "sim:$bus" "$2"
    sleep 0.5
    daemon_again
    finish "$pid" || fail "$2: $(cat "$work/removal.out")"
    nothing_left 1
}

test_device_that_is_detached_meanwhile_is_let_go() {
    removed_meanwhile 9pfs detach
}

test_device_of_kind_xen_9pfs_that_is_detached_meanwhile_is_let_go() {
    removed_meanwhile xen_9pfs detach
}

test_device_whose_nodes_have_vanished_is_let_go() {
    daemon_start
    connect
    touch "$work/seen-enough"
    kill_hard "$daemon_pid"
    kill_hard "$guest"
    sim destroy >/dev/null
    ! back_nodes | grep -q /1/ || fail "the nodes are still there"
    [ -n "$(keepers)" ] || fail "the share has gone by itself"
    daemon_again
    nothing_left 1
}

test_device_that_was_made_anew_is_the_new_one() {
    daemon_start
    connect
    touch "$work/seen-enough"
    kill_hard "$daemon_pid"
    kill_hard "$guest"
    sim destroy >/dev/null
    mkdir "$share/new"
    sim --path "$share/new" attach
    daemon_again
    await_back 2 1
    sim put /dev/null file
    [ -e "$share/new/file" ] || fail "the file is elsewhere"
    sim detach >/dev/null
    nothing_left 1
}

test_share_of_a_kind_that_is_not_served_any_more_is_closed() {
    daemon_start
    sim --kind xen_9pfs --path "$share" attach --wait
    hold guest.out --kind xen_9pfs
    daemon_leave
    daemon_again --export "$share" --kind 9pfs
    await_back 56 1 xen_9pfs
    await "the share has let go" usage_is_zero 1
}

test_files_that_mean_nothing_are_removed() {
    mkdir -m 700 "$bus/xen9pfsd"
    touch "$bus/xen9pfsd/9pfs-7-0.arena" "$bus/xen9pfsd/9pfs-7-1.sock.new" \
        "$bus/xen9pfsd/xen_9pfs-8-0.detached" "$bus/xen9pfsd/9pfs-9-0.sock"
    echo x >"$bus/xen9pfsd/9pfs-9-0.arena"
    daemon_start
    await "they are gone" no_share_files
    visit 1 ls >/dev/null
}

test_session_without_an_arena_is_lost() {
    daemon_start
    connect
    touch "$work/seen-enough"
    kill_hard "$daemon_pid"
    # shellcheck disable=SC2046 # a list of pids
    kill -KILL $(share_processes)
    rm "$bus/xen9pfsd"/9pfs-1-0.*
    daemon_again
    await_log 'guest 1 dev 0: was connected before this daemon started; its session is lost'
    await_back 56 1
}

# ---- devices of another backend ----

# In the state that QEMU, or Xen's own daemon, leaves it in.
claim_for_another() { # STATE
    sim --path "$share" attach
    sim xs-write "$(back_dir 1)/versions" 1
    sim xs-write "$(back_dir 1)/state" "$1"
}

stays_elsewhere() { # STATE
    await_log 'guest 1 dev 0: elsewhere (claimed by another backend)'
    verb status >"$work/status"
    grep -q 'guest=1 dev=0 kind=9pfs state=elsewhere' "$work/status" || fail "$(cat "$work/status")"
    set_front_state 1 3
    verb detach >"$work/out" || fail "$(cat "$work/out")"
    [ ! -s "$work/out" ] || fail "$(cat "$work/out")"
    ! verb detach 1/0 >"$work/out" || fail "detached what is not ours"
    grep -qx "guest 1 dev 0: is another backend's" "$work/out" || fail "$(cat "$work/out")"
    set_front_state 1 5
    daemon_leave
    daemon_again
    await_log 'guest 1 dev 0: elsewhere (claimed by another backend)'
    daemon_end INT
    [ "$(back_state 1)" = "$1" ] || fail "its state is $(back_state 1)"
}

test_device_that_waits_with_another_backend_is_left_alone() {
    claim_for_another 2
    daemon_start
    stays_elsewhere 2
}

test_device_that_is_connected_to_another_backend_is_left_alone() {
    claim_for_another 4
    daemon_start
    stays_elsewhere 4
}

test_device_that_another_backend_closes_is_left_alone() {
    claim_for_another 5
    daemon_start
    await_log 'guest 1 dev 0: elsewhere (claimed by another backend)'
    daemon_stop
    [ "$(back_state 1)" = 5 ] || fail "its state is $(back_state 1)"
}

# Xen's own daemon takes what it finds, whoever waits there.
test_waiting_device_that_another_backend_takes_over_is_left_to_it() {
    daemon_start
    sim --path "$share" attach --wait
    sim xs-write "$(back_dir 1)/max-rings" 4
    set_front_state 1 3
    await_log 'guest 1 dev 0: elsewhere (claimed by another backend)'
    daemon_leave
    daemon_again
    await_log 'guest 1 dev 0: elsewhere (claimed by another backend)'
    [ "$(back_state 1)" = 2 ] || fail "its state is $(back_state 1)"
}

test_detaching_is_forgotten_when_the_device_is_made_anew_meanwhile() {
    daemon_start
    sim --path "$share" attach --wait
    verb detach 1/0 >/dev/null
    daemon_leave
    sim destroy >/dev/null
    sim --path "$share" attach
    daemon_again
    connect
    daemon_leave
    daemon_again
    state_never_left_4
    leaves_nothing
}

test_device_of_another_backend_that_is_made_anew_is_served() {
    claim_for_another 4
    daemon_start
    await_log 'guest 1 dev 0: elsewhere (claimed by another backend)'
    # In one transaction: the directory is never seen to be gone.
    sim --path "$share" attach
    await_back 2 1
    visit 1 ls >/dev/null
    nothing_left 1
}

# ---- other deaths ----

test_killed_keeper_is_replaced() {
    daemon_start
    connect
    for ((i = 0; i < 5; i++)); do
        kill -KILL "$keeper"
        await "there is another keeper" keeper_is_new
        keeper=$(keepers)
        await_log "served by keeper $keeper"
    done
    state_never_left_4
    leaves_nothing
}

keeper_is_new() {
    local now
    now=$(keepers)
    [ -n "$now" ] && [ "$now" != "$keeper" ]
}

test_killed_keeper_and_worker_are_replaced() {
    daemon_start
    connect
    kill -KILL "-$keeper"
    await_log 'its processes are gone; a new keeper restores the session'
    await_log 'guest 1 dev 0: served by keeper'
    state_never_left_4
    leaves_nothing
}

test_everything_killed_is_replaced() {
    daemon_start
    connect
    kill_hard "$daemon_pid"
    kill -KILL "-$keeper"
    daemon_again
    await_log 'its processes are gone; a new keeper restores the session'
    await_log 'guest 1 dev 0: served by keeper'
    state_never_left_4
    leaves_nothing
}

test_keeper_and_daemon_killed_are_replaced() {
    daemon_start
    connect
    kill_hard "$daemon_pid"
    kill -KILL "$keeper"
    daemon_again
    await_log 'guest 1 dev 0: its worker lives, without a keeper'
    await_log 'guest 1 dev 0: served by keeper'
    keeper_is_new || fail "keeper $keeper is back"
    state_never_left_4
    leaves_nothing
}

test_keeper_that_does_not_answer_a_new_daemon_is_replaced() {
    daemon_start
    connect
    kill_hard "$daemon_pid"
    # shellcheck disable=SC2046 # a list of pids
    kill -STOP $(share_processes)
    daemon_again
    await_log 'its process does not answer; killed'
    await_log 'guest 1 dev 0: served by keeper'
    state_never_left_4
    leaves_nothing
}

# One of all kinds of processes at a time, under load.
test_any_process_may_be_killed_under_load() {
    daemon_start
    sim --path "$share" attach --wait
    load load.out -- -s 3600 -n 16 -f 16M mixed
    await_back 4 1
    for victims in worker keeper daemon worker keeper everything; do
        sleep 0.7
        case $victims in
        worker) kill -KILL "$(workers | head -n 1)" ;;
        keeper) kill -KILL "$(keepers)" ;;
        daemon) kill_hard "$daemon_pid"; daemon_again ;;
        everything)
            kill_hard "$daemon_pid"
            # shellcheck disable=SC2046 # a list of pids
            kill -KILL $(share_processes)
            daemon_again ;;
        esac
        [ "$(back_state 1)" = 4 ] || fail "after $victims: state $(back_state 1)"
    done
    load_end load.out "$pid"
    sim detach >/dev/null
    nothing_left 1
}

test_share_whose_processes_die_too_often_is_given_up() {
    daemon_start
    connect
    touch "$work/seen-enough"
    for ((i = 0; i < 4; i++)); do
        kill -KILL "-$keeper"
        await "there is another keeper, or none any more" keeper_is_new_or_given_up
        keeper=$(keepers)
    done
    await_log 'its processes die too often; given up'
    await_back 56 1
    await "nothing of the guest is in use" usage_is_zero 1
    daemon_lives
}

keeper_is_new_or_given_up() {
    keeper_is_new || logged 'given up'
}

run_tests "$@"
