#!/bin/bash
# Another program takes over from the one that runs, under its guests.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

new=''

# A new version: it differs in its name alone.
make_new() {
    new=$work/${1:-new}
    cp "$daemon" "$new"
}

upgrade() {
    timeout -k 10 "$guard" "$new" --bus "sim:$bus" upgrade >"$work/out" 2>"$work/err"
}

program_of() {
    readlink "/proc/$1/exe"
}

all_run_the_new_one() {
    local process
    for process in "$daemon_pid" $(launcher) $(share_processes); do
        [ "$(program_of "$process")" = "$new" ] ||
            fail "process $process runs $(program_of "$process")"
    done
}

all_run_the_old_one() {
    local process
    for process in "$daemon_pid" $(launcher) $(share_processes); do
        [ "$(program_of "$process")" = "$daemon" ] ||
            fail "process $process runs $(program_of "$process")"
    done
}

test_daemon_without_shares_is_replaced() {
    make_new
    daemon_start
    upgrade || fail "$(cat "$work/out" "$work/err")"
    [ "$(cat "$work/out")" = 'all shares have moved' ] || fail "$(cat "$work/out")"
    [ ! -s "$work/err" ] || fail "$(cat "$work/err")"
    all_run_the_new_one
    [ "$(cat "/proc/$daemon_pid/comm")" = xen9pfsd ] || fail "$(cat "/proc/$daemon_pid/comm")"
    visit 1 ls >/dev/null
}

test_shares_move_under_their_guests() {
    local old
    make_new
    daemon_start
    mkdir "$share/1" "$share/2"
    for domid in 1 2; do
        sim --domid $domid --path "$share/$domid" attach --wait
        hold "guest.$domid" --domid $domid
    done
    sim --domid 3 --path "$share" attach --wait
    old=$(keepers)
    upgrade || fail "$(cat "$work/out" "$work/err")"
    [ "$(head -n 2 "$work/out" | sort)" = "$(printf 'guest %d dev 0: has moved\n' 1 2)" ] ||
        fail "$(cat "$work/out")"
    all_run_the_new_one
    for process in $old; do
        await "keeper $process is gone" ended "$process"
    done
    for domid in 1 2; do
        await_log "guest $domid dev 0: adopted its keeper"
        [ "$(back_state $domid)" = 4 ] || fail "guest $domid: state $(back_state $domid)"
    done
    [ "$(back_state 3)" = 2 ] || fail "guest 3: state $(back_state 3)"
    sim --domid 3 ls >/dev/null
}

test_load_goes_on_through_five_upgrades() {
    daemon_start
    sim --path "$share" attach --wait
    load load.out -- -s 3600 -n 16 -f 16M mixed
    await_back 4 1
    for ((i = 0; i < 5; i++)); do
        sleep 0.7
        make_new "new.$i"
        upgrade || fail "upgrade $i: $(cat "$work/out" "$work/err")"
        [ "$(back_state 1)" = 4 ] || fail "upgrade $i: state $(back_state 1)"
        all_run_the_new_one
    done
    load_end load.out "$pid"
    sim detach >/dev/null
    nothing_left 1
}

test_program_that_was_replaced_on_disk_is_the_new_one() {
    cp "$daemon" "$work/installed"
    daemon=$work/installed
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    cp "$daemon" "$work/next"
    mv "$work/next" "$work/installed"
    new=$work/installed
    upgrade || fail "$(cat "$work/out" "$work/err")"
    all_run_the_new_one
}

test_session_of_another_layout_stays_with_the_old_program() {
    local arena=$bus/xen9pfsd/9pfs-1-0.arena
    make_new
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    [ -s "$arena" ] || skip "sessions do not stand in the arena yet"
    head -c 8 "$arena" >"$work/magic"
    printf 'otherone' | dd of="$arena" conv=notrunc status=none
    ! upgrade || fail "accepted: $(cat "$work/out")"
    dd if="$work/magic" of="$arena" conv=notrunc status=none
    grep -q '^guest 1 dev 0: stays with the old program: ' "$work/out" || fail "$(cat "$work/out")"
    grep -q '^not all shares have moved' "$work/out" || fail "$(cat "$work/out")"
    all_run_the_old_one
    ! ended "$pid" || fail "the guest has lost its session"
    verb status | grep -q 'process=serving' || fail "$(verb status)"
    # And may do so later.
    upgrade || fail "$(cat "$work/out" "$work/err")"
    all_run_the_new_one
}

test_keeper_that_hangs_is_not_waited_for() {
    make_new
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    # shellcheck disable=SC2046 # a list of pids
    kill -STOP $(share_processes)
    background upgrade.out "$new" --bus "sim:$bus" upgrade
    visit 2 ls >/dev/null || fail "the daemon waits"
    # shellcheck disable=SC2046 # a list of pids
    kill -CONT $(share_processes)
    finish "$pid" || fail "$(cat "$work/upgrade.out")"
    all_run_the_new_one
}

# move_begins: an upgrade in the background has begun to move guest 1's share, which is stopped.
move_begins() {
    # shellcheck disable=SC2046 # a list of pids
    kill -STOP $(share_processes)
    background upgrade.out "$new" --bus "sim:$bus" upgrade
    await "the share is being moved" [ -e "$bus/xen9pfsd/9pfs-1-0.sock.new" ]
}

# Some may have ended since they were listed.
all_go_on() {
    # shellcheck disable=SC2046 # a list of pids
    kill -CONT $(share_processes) 2>/dev/null || true
}

test_daemon_that_is_to_end_while_the_last_share_moves_ends() {
    make_new
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    move_begins
    kill -TERM "$daemon_pid"
    await_log stopping
    all_go_on
    finish "$daemon_pid" || fail "the daemon's exit status is $?"
    daemon_pid=
    ! logged 'starting anew' || fail "it becomes the new program instead"
    daemon_again
    await_log 'guest 1 dev 0: adopted its keeper'
    [ "$(back_state 1)" = 4 ] || fail "state $(back_state 1)"
}

test_share_that_ends_while_it_moves_does_not_hinder_the_others() {
    local guest
    make_new
    daemon_start
    sim --path "$share" attach --wait
    hold guest.out
    guest=$pid
    sim --domid 2 --path "$share" attach --wait
    move_begins
    kill_hard "$guest"
    set_front_state 1 5
    await_log 'guest 1 dev 0: stopping'
    all_go_on
    finish "$pid" || fail "$(cat "$work/upgrade.out")"
    all_run_the_new_one
    set_front_state 1 6
    await_back 6 1
    sim --domid 2 ls >/dev/null
}

test_daemon_killed_in_the_middle_loses_nothing() {
    daemon_start
    sim --path "$share" attach --wait
    load load.out -- -s 3600 -n 8 -f 8M mixed
    local guest=$pid
    await_back 4 1
    for ((i = 0; i < 10; i++)); do
        make_new "new.$i"
        background upgrade.out "$new" --bus "sim:$bus" upgrade
        sleep "0.0$((RANDOM % 10))"
        kill_hard "$daemon_pid"
        finish "$pid" || true
        daemon_again
        await_log 'guest 1 dev 0: served by keeper'
        [ "$(back_state 1)" = 4 ] || fail "round $i: state $(back_state 1)"
    done
    load_end load.out "$guest"
    sim detach >/dev/null
    nothing_left 1
}

run_tests "$@"
