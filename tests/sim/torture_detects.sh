#!/bin/bash
# What the host does behind a torturing guest's back is found, and said in one clear line.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/torture.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/torture.sh"

# start KIND [NAME]: one worker with a task of that kind, in $dir, which has made its directory, or that
# in it.
start() {
    daemon_start
    torture guest-1 --path "$share" -- --workers 1 --kinds "$1"
    dir=$share/torture-1.0
    await "the guest has made $1-0/${2:-}" [ -e "$dir/$1-0/${2:-}" ]
}

# finds PATTERN: the guest ends by itself, unhappy, with such a line.
finds() {
    await "the guest finds it" ended "${torture_pid[guest-1]}"
    ! finish "${torture_pid[guest-1]}" || fail "the guest is happy: $(cat "$work/guest-1.out")"
    grep -qE "^xen9pfs-sim: torture: wrong: $1" "$work/guest-1.out" ||
        fail "$(cat "$work/guest-1.out")"
    [ "$(grep -c wrong: "$work/guest-1.out")" = 1 ] || fail "more than one line"
}

# flip FILE OFFSET: until the guest has found it. It may be overwriting what we change, or cutting it
# off: then the file grows.
flip() {
    local byte
    while ! ended "${torture_pid[guest-1]}"; do
        byte=$(od -An -tu1 -j "$2" -N 1 "$1" 2>/dev/null | tr -d ' ') || true
        [ -z "$byte" ] ||
            printf '%b' "\\0$(printf %o $((byte ^ 1)))" |
            dd of="$1" bs=1 seek="$2" conv=notrunc status=none 2>/dev/null
        sleep 0.05
    done
}

# interfere COMMAND...: until the guest has found it.
interfere() {
    while ! ended "${torture_pid[guest-1]}"; do
        "$@" 2>/dev/null || true
        sleep 0.02
    done
}

test_byte_that_changes_is_found() {
    start data
    flip "$dir/data-0/file-1" 12345
    finds 'data-0, round [0-9]*: file-1: (byte 12345 .*: expected 0x.., found 0x..|size: .*)$'
}

test_byte_in_what_was_appended_is_found() {
    start append
    flip "$dir/append-0/log" 10
    finds 'append-0, round [0-9]*: log: (byte 10 .*: expected 0x.., found 0x..|size: .*)$'
}

test_file_that_grows_is_found() {
    start data
    interfere truncate -s 1M "$dir/data-0/file-2"
    finds 'data-0, round [0-9]*: file-2: .*expected'
}

test_file_that_goes_is_found() {
    start data file-0
    rm "$dir/data-0/file-0"
    finds 'data-0, .*: file-0: (links: expected 1, found 0|open.*: expected success, found No such)'
}

test_name_that_comes_is_found() {
    start names
    touch "$dir/names-0/stranger"
    finds 'names-0, round [0-9]*: .*(expected|listed|another)'
}

test_name_that_goes_is_found() {
    start names
    interfere rm "$dir/names-0/file"
    finds 'names-0, round [0-9]*: .*(expected|listed|another)'
}

test_name_that_is_another_object_is_found() {
    start names
    interfere ln -fsT elsewhere "$dir/names-0/a"
    finds 'names-0, round [0-9]*: .*(expected|listed|another)'
}

test_entry_of_a_large_directory_is_found() {
    start list
    interfere rm "$dir/list-0/023"
    finds 'list-0, .*: (023 is not listed|unlink 023: expected success)'
}

test_lock_of_the_host_is_found() {
    start locks locked
    command -v python3 >/dev/null || skip "there is no python3"
    python3 - "$dir/locks-0/locked" "${torture_pid[guest-1]}" <<'PYTHON' || true
import fcntl, os, sys, time
with open(sys.argv[1], "r+b") as locked:
    fcntl.lockf(locked, fcntl.LOCK_EX, 1000, 29000)
    while os.path.exists("/proc/%s/fd/0" % sys.argv[2]):
        time.sleep(0.05)
PYTHON
    # One that waits for it is never answered.
    finds '(locks-0, .*: owner [0-9]: (lock|getlock) .*: expected (success|nobody), found (blocked|a lock)|no reply for [0-9]+ s to Tlock, tag [0-9]+, of locks-0)'
}

test_attribute_that_changes_is_found() {
    start xattrs file
    command -v setfattr >/dev/null || skip "there is no setfattr"
    setfattr -n user.test -v host "$dir/xattrs-0/file" || skip "no extended attributes"
    interfere setfattr -n user.torture.3 -v host "$dir/xattrs-0/file"
    finds 'xattrs-0, .*: (user.torture.3|set user.torture.3|get user.torture.3|remove user.torture.3)'
}

test_lock_file_that_goes_is_found() {
    daemon_start
    torture guest-1 --path "$share" -- --workers 2 --kinds contend --common common
    interfere rm "$share/common/lock"
    finds 'contend-[01], .*(links with the lock: expected 2, found 1|unlink the lock|holds the lock)'
}

test_share_that_stops_answering_is_found() {
    [ -n "${SLOW:-}" ] || skip "takes a minute: SLOW=1"
    start data
    # shellcheck disable=SC2046 # a list of pids
    kill -STOP $(share_processes)
    await "the guest gives up" grep -q 'no reply for 60 s to T[a-z]*, tag' "$work/guest-1.out"
    # shellcheck disable=SC2046 # a list of pids
    kill -CONT $(share_processes)
    finds 'no reply for 60 s to T[a-z]*, tag [0-9]*, of data-0$'
}

run_tests "$@"
