#!/bin/bash
# What runs out or breaks around the daemon: memory, descriptors, storage, the bus itself. Each has a
# line in the log or an error for the guest, ends no more than what needs it, and is over when the
# cause is.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

use_faults() {
    ! sanitized || skip "the sanitizer has its own allocator"
    head -c 4096 /dev/zero >"$work/faults"
    daemon_wrapper=(env "LD_PRELOAD=$build/tests/lib/faults.so" "FAULTS=$work/faults")
}

# fault every|write|read|fsync NUMBER: see faults.c.
fault() {
    local words=(every write read injected allocations fsync)
    local at=0
    until [ "${words[at]}" = "$1" ]; do
        at=$((at + 1))
    done
    # shellcheck disable=SC2059 # an octal escape
    printf "\\$(printf %03o "$2")\0\0\0" |
        dd "of=$work/faults" bs=4 "seek=$at" conv=notrunc status=none
}

injected() {
    od -A n -t u4 -j 12 -N 4 "$work/faults" | tr -d ' '
}

some_injected() {
    [ "$(injected)" -gt "$1" ] || fail "there was no fault"
}

works_again() {
    visit 1 day >"$work/day" 2>&1 || fail "afterwards: $(cat "$work/day")"
    nothing_left 1
}

# refused TEXT DOMID VERB...: the guest is told so, and nothing dies of it.
refused() {
    local text=$1
    shift
    ! visit "$@" >"$work/refused" 2>&1 </dev/null || fail "$*: is done"
    grep -q "$text" "$work/refused" || fail "$*: $(cat "$work/refused")"
}

test_full_storage_is_told_to_the_guest() {
    use_faults
    daemon_start
    head -c 100000 /dev/urandom >"$work/data"
    fault write 28
    refused "No space left on device" 1 put "$work/data" file
    some_injected 0
    fault write 0
    visit 1 put "$work/data" file || fail "there is room again"
    cmp "$work/data" "$share/file"
    works_again
}

test_broken_storage_is_told_to_the_guest() {
    use_faults
    daemon_start
    head -c 100000 /dev/urandom >"$work/data"
    fault write 5
    refused "Input/output error" 1 put "$work/data" file
    fault write 0
    visit 1 put "$work/data" file
    fault read 5
    refused "Input/output error" 1 cat file
    some_injected 1
    fault read 0
    visit 1 cat file >"$work/back" || fail "it can be read again"
    cmp "$work/data" "$work/back"
    works_again
}

# What the storage could not keep after it had taken it is told to whoever asks first, and to nobody
# else.
test_error_of_write_behind_is_told_to_the_guest_once() {
    use_faults
    daemon_start
    fault fsync 5
    refused "Input/output error" 1 day
    [ "$(injected)" = 1 ] || fail "$(injected) faults"
    works_again
    [ "$(injected)" = 1 ] || fail "$(injected) faults"
}

# Wherever an allocation fails: a share that cannot start, a request, the daemon itself, which may
# say that it gives up and be followed by another. Whoever is served already goes on.
test_memory_that_runs_out_ends_nothing_for_good() {
    local every before good
    use_faults
    daemon_start
    hold good --domid 9 --path "$share"
    good=$pid
    for every in 2 3 5 7 11 17 29 53; do
        before=$(injected)
        fault every "$every"
        visit 2 ls >"$work/visit.out" 2>&1 </dev/null || true
        fault every 0
        some_injected "$before"
        if ended "$daemon_pid"; then
            logged 'giving up: Cannot allocate memory' || fail "the daemon has died"
            wait "$daemon_pid" || true
            daemon_again
        fi
        sim --domid 2 detach >/dev/null 2>&1 || true
    done
    ! ended "$good" || fail "the other guest has lost its share: $(cat "$work/good")"
    kill -TERM "$good"
    finish "$good" || fail "the other guest: $(cat "$work/good")"
    cat "$log" >>"$work/earlier.log"
    grep -q 'out of memory\|Cannot allocate memory' "$work/earlier.log" ||
        fail "the log does not say it"
    works_again
}

# Nothing tells the daemon of it a second time.
test_device_that_came_without_memory_is_taken_up_with_it() {
    use_faults
    daemon_start
    fault every 1
    sim --domid 3 --path "$share" attach
    await "an allocation has failed" some_have_failed
    sleep 0.1 # all that there is to try has been tried
    [ "$(back_state 3)" = 1 ] || fail "state $(back_state 3), and there is no memory"
    fault every 0
    await_back 2 3
    works_again
}

some_have_failed() {
    [ "$(injected)" -gt 0 ]
}

# Enough for the daemon, and not for one more share.
test_daemon_without_descriptors_says_so_and_serves_on() {
    local good i others=()
    daemon_start
    hold good --domid 9 --path "$share"
    good=$pid
    # The supervisor waits for more kinds of descriptors than there are, with every share.
    for i in 10 11 12 13; do
        hold "other$i" --domid "$i" --path "$share"
        others+=("$pid")
    done
    prlimit --pid "$daemon_pid" "--nofile=$(daemon_fds):4096"
    ! visit 2 ls >"$work/visit.out" 2>&1 || fail "there was room for one more"
    await_log 'Too many open files'
    daemon_lives
    ! ended "$good" || fail "the other guest has lost its share: $(cat "$work/good")"
    prlimit --pid "$daemon_pid" --nofile=4096:4096
    for i in "$good" "${others[@]}"; do
        kill -TERM "$i"
        finish "$i" || fail "another guest: $(cat "$work"/good "$work"/other*)"
    done
    works_again
}

# As with xenstored: who is connected is served on, and a daemon on a new bus, which knows nothing of
# its devices, lets go of them.
test_bus_that_dies_takes_no_share_along() {
    local guest
    daemon_start
    hold guest --domid 3 --path "$share"
    guest=$pid
    kill_hard "${started[0]}"
    await "the daemon ends" ended "$daemon_pid"
    ! wait "$daemon_pid" || fail "the daemon thinks that this is a good end"
    daemon_pid=
    [ -n "$(share_processes)" ] || fail "the share has ended, too"
    bus_start
    daemon_again
    await "the share is let go" no_shares
    [ -z "$(share_processes)" ] || fail "processes are left: $(share_processes)"
    # Its bus is not there to be told of it; that is said once, however many rings there were.
    [ "$(log_count 'guest 3 dev 0: .*cannot unmap')" = 1 ] || fail "$(cat "$log")"
    kill_hard "$guest"
    works_again
}

run_tests "$@"
