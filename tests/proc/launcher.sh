#!/bin/bash
# The launcher has the rights, and the supervisor has none.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

status_of() { # PID KEY
    sed -n "s/^$2:\t//p" "/proc/$1/status"
}

# As the unit starts it. Only root has rights to take away.
without_rights() {
    [ "$(id -u)" != 0 ] || daemon_wrapper=(setpriv --bounding-set=-all --inh-caps=-all
        --no-new-privs)
}

guest_goes_on() { # NAME PID
    ! ended "$2" || fail "the guest has lost its share: $(cat "$work/$1")"
}

test_supervisor_gives_up_all_rights() {
    daemon_start
    visit 1 ls >/dev/null
    for set in CapInh CapPrm CapEff CapAmb; do
        [ "$(status_of "$daemon_pid" $set)" = 0000000000000000 ] ||
            fail "$set $(status_of "$daemon_pid" $set)"
    done
    [ "$(status_of "$daemon_pid" NoNewPrivs)" = 1 ] || fail "it may get new ones"
    need_root "an ordinary user cannot lower the bounds"
    [ "$(status_of "$daemon_pid" CapBnd)" = 0000000000000000 ] || fail "they may come back"
    [ "$(status_of "$(launcher)" CapEff)" != 0000000000000000 ] || fail "nobody has any"
}

test_rights_do_not_come_back_by_an_upgrade() {
    need_root "an ordinary user has none"
    daemon_start
    verb upgrade >/dev/null || fail "upgrade"
    [ "$(status_of "$daemon_pid" CapPrm)" = 0000000000000000 ] || fail "they are back"
    visit 1 ls >/dev/null
}

test_killed_launcher_ends_the_daemon_and_no_share() {
    local guest
    daemon_start
    hold guest --domid 3 --path "$share"
    guest=$pid
    kill -KILL "$(launcher)"
    await "the daemon ends" ended "$daemon_pid"
    ! wait "$daemon_pid" || fail "the daemon thinks that this is a good end"
    daemon_pid=
    logged 'giving up: the launcher is gone' || fail "it does not say why"
    guest_goes_on guest "$guest"
    daemon_again
    await_log 'guest 3 dev 0: adopted its keeper'
    kill -TERM "$guest"
    finish "$guest" || fail "the guest: $(cat "$work/guest")"
    visit 1 ls >/dev/null
}

test_launcher_ends_with_its_daemon() {
    local launcher
    daemon_start
    launcher=$(launcher)
    kill_hard "$daemon_pid"
    daemon_pid=
    await "the launcher ends" ended "$launcher"
}

test_daemon_without_rights_serves_with_a_launcher_that_is_a_service() {
    local guest keeper
    launcher_start
    without_rights
    daemon_start --launcher=service
    [ -z "$(launcher)" ] || fail "it has started one all the same"
    hold guest --domid 3 --path "$share"
    guest=$pid
    keeper=$(keepers)
    # All of it again, by the one after this.
    daemon_leave
    daemon_again --launcher=service
    await_log "guest 3 dev 0: adopted its keeper $keeper"
    kill -KILL "$keeper"
    await_log 'guest 3 dev 0: served by keeper'
    guest_goes_on guest "$guest"
    kill -TERM "$guest"
    finish "$guest" || fail "the guest: $(cat "$work/guest")"
    daemon_stop
    kill -TERM "$service"
    finish "$service" || true
}

test_launcher_that_is_restarted_is_followed_by_the_daemon() {
    local guest
    launcher_start
    without_rights
    daemon_start --launcher=service
    hold guest --domid 3 --path "$share"
    guest=$pid
    kill_hard "$service"
    await "the daemon ends" ended "$daemon_pid"
    ! wait "$daemon_pid" || fail "the daemon thinks that this is a good end"
    daemon_pid=
    launcher_start
    daemon_again --launcher=service
    guest_goes_on guest "$guest"
    visit 1 ls >/dev/null
    kill -TERM "$guest"
    finish "$guest" || fail "the guest: $(cat "$work/guest")"
    daemon_stop
    kill_hard "$service"
}

test_upgrade_replaces_a_launcher_that_is_a_service() {
    launcher_start
    daemon_start --launcher=service
    cp "$daemon" "$work/new"
    "$work/new" --bus "sim:$bus" upgrade >/dev/null || fail "upgrade"
    [ "$(readlink "/proc/$service/exe")" = "$work/new" ] || fail "the launcher is the old one"
    visit 1 ls >/dev/null
    daemon_stop
    kill_hard "$service"
}

# The supervisor hands on what whoever calls the verb has brought.
test_program_that_others_may_write_is_not_run() {
    daemon_start
    cp "$daemon" "$work/new"
    sim --path "$share" attach --wait
    hold guest
    for mode in go-w,o+w go-w,g+w; do
        chmod $mode "$work/new"
        ! "$work/new" --bus "sim:$bus" upgrade >"$work/out" 2>&1 || fail "it is run"
        grep -q 'Operation not permitted' "$work/out" || fail "$(cat "$work/out")"
    done
    sim detach >/dev/null
}

test_service_without_a_launcher_does_not_start() {
    daemon_begin --bus "sim:$bus" --export "$share" --launcher=service
    ! finish "$daemon_pid" || fail "exit status 0"
    daemon_pid=
    logged 'no launcher is running' || fail "it does not say why"
}

test_second_launcher_is_refused() {
    launcher_start
    ! "$daemon" --bus "sim:$bus" launcher 2>"$work/second" || fail "there are two"
    grep -q 'launcher.lock: another xen9pfsd is running' "$work/second" ||
        fail "$(cat "$work/second")"
    kill_hard "$service"
}

test_supervisors_unit_leaves_it_little() {
    command -v systemd-analyze >/dev/null || skip "there is no systemd-analyze"
    systemd-analyze security --help | grep -q -- --offline || skip "it is too old"
    systemd-analyze security --offline=true --threshold=20 "$build/dist/xen9pfsd.service" \
        >"$work/unit" 2>&1 || fail "$(grep '✗\|Overall' "$work/unit")"
}

run_tests "$@"
