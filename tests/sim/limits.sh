#!/bin/bash
# Limits of space, files and open files, as xl sets them for kind xen_9pfs, with the whole daemon.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

# limited DOMID OPTION...: a device with limits for guest DOMID, ready and left in place.
limited() {
    local domid=$1
    shift
    sim --domid "$domid" --kind xen_9pfs --path "$share" "$@" attach --wait
}

# put_bytes DOMID COUNT NAME: what the guest is told if it fails goes to $work/err.
put_bytes() {
    head -c "$2" /dev/zero | sim --domid "$1" put - "$3" 2>"$work/err"
}

# refused COMMAND...: with ENOSPC.
refused() {
    ! "$@" || fail "not refused: $*"
    grep -q 'No space left on device' "$work/err" || fail "$(cat "$work/err")"
}

figure() { # KEY, of guest 1
    sim --domid 1 statfs | sed -n "s/^$1=//p"
}

allocated() {
    echo $(($(du -s --block-size=1 "$share" | cut -f1)))
}

worker_is_another() { # than PID
    [ -n "$(workers)" ] && [ "$(workers)" != "$1" ]
}

kill_worker() {
    local before
    before=$(workers)
    kill -KILL "$before"
    await "another worker" worker_is_another "$before"
}

fills_its_share() {
    limited 1 --max-space 2
    refused put_bytes 1 3M large
    [ "$(allocated)" -le $((2 << 20)) ] || fail "$(allocated) bytes are allocated"
    [ "$(figure bfree)" = 0 ] || fail "free: $(figure bfree)"
    refused put_bytes 1 1M more
    sim --domid 1 rm large
    put_bytes 1 1M more || fail "$(cat "$work/err")"
    sim --domid 1 detach >/dev/null
}

test_a_guest_fills_its_share_and_no_more() {
    daemon_start
    fills_its_share
}

test_an_ordinary_users_guest_fills_its_share_and_no_more() {
    as_ordinary_user
    daemon_start
    fills_its_share
}

test_statfs_shows_the_limits() {
    daemon_start
    limited 1 --max-space 8 --max-files 100
    [ $(($(figure blocks) * $(figure bsize))) = $((8 << 20)) ] || fail "$(sim statfs)"
    [ "$(figure files)" = 100 ] || fail "$(sim statfs)"
    [ "$(figure ffree)" = 100 ] || fail "$(sim statfs)"
    sim --domid 1 mkdir dir
    [ "$(figure ffree)" = 99 ] || fail "$(sim statfs)"
    sim --domid 1 detach >/dev/null
}

test_files_are_limited() {
    daemon_start
    limited 1 --max-files 2
    sim --domid 1 mkdir dir
    put_bytes 1 10 dir/file || fail "$(cat "$work/err")"
    refused put_bytes 1 10 dir/another
    sim --domid 1 rm dir/file
    put_bytes 1 10 dir/another || fail "$(cat "$work/err")"
    sim --domid 1 detach >/dev/null
}

has_size() { # PATH SIZE
    [ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -ge "$2" ]
}

# A guest is in the middle of writing, with the file open.
test_limits_hold_after_the_worker_was_killed() {
    local writer
    daemon_start
    limited 1 --max-space 4 --max-open-files 1
    mkfifo "$work/bytes"
    (sim --domid 1 put - file <"$work/bytes" 2>"$work/err" || exit 1) &
    writer=$!
    started+=("$writer")
    exec 9>"$work/bytes"
    head -c 2M /dev/zero >&9
    await "something is written" has_size "$share/file" 1000000
    kill_worker
    head -c 4M /dev/zero >&9 2>/dev/null || true
    exec 9>&-
    ! finish "$writer" || fail "more was written than there is room for"
    grep -q 'No space left on device' "$work/err" || fail "$(cat "$work/err")"
    [ "$(allocated)" -le $((4 << 20)) ] || fail "$(allocated) bytes are allocated"
    [ "$(allocated)" -ge $((3 << 20)) ] || fail "$(allocated) bytes are allocated"
    sim --domid 1 detach >/dev/null
}

test_the_oldest_file_makes_room() {
    daemon_start
    head -c 1M /dev/zero >"$share/old"
    head -c 512K /dev/zero >"$share/newer"
    touch -d 2001-01-01 "$share/old"
    touch -d 2002-01-01 "$share/newer"
    limited 1 --max-space 2 --auto-delete 1
    put_bytes 1 1M new || fail "$(cat "$work/err")"
    [ ! -e "$share/old" ] || fail "the oldest is there"
    [ -e "$share/newer" ] || fail "one too many is gone"
    logged 'auto-delete: "old" made room' || fail "not told"
    sim --domid 1 detach >/dev/null
}

test_a_device_of_the_other_kind_has_no_limits() {
    daemon_start
    sim --domid 1 --kind 9pfs --path "$share" --max-space 1 attach --wait
    put_bytes 1 3M large || fail "$(cat "$work/err")"
    sim --domid 1 detach >/dev/null
}

# What the administrator says holds for both kinds; of two limits the stricter one does.
test_limits_of_the_configuration_hold_for_all_kinds() {
    daemon_start --export "$share" --max-files 2
    sim --domid 1 --kind 9pfs --path "$share" attach --wait
    put_bytes 1 10 first || fail "$(cat "$work/err")"
    put_bytes 1 10 second || fail "$(cat "$work/err")"
    refused put_bytes 1 10 third
    sim --domid 1 detach >/dev/null
    limited 2 --max-files 100 --max-space 1
    refused put_bytes 2 10 third
    refused put_bytes 2 2M first
    sim --domid 2 detach >/dev/null
}

# What is said below the top level holds for the share that fits.
test_budget_of_a_share_is_its_own() {
    mkdir "$share/small" "$share/large"
    cat >"$work/xen9pfsd.conf" <<END
share "small" {
    path = "$share/small"
    max-fids = 16
}
END
    daemon_start --export "$share" -c "$work/xen9pfsd.conf"
    sim --domid 1 --path "$share/small" attach --wait
    ! sim --domid 1 bench-fids --count 80000 --server "$daemon_pid" >"$work/out" 2>&1 || fail "there are more"
    grep -q 'Too many open files in system' "$work/out" || fail "$(cat "$work/out")"
    [ "$(log_count 'guest 1 dev 0: warning: more files are in use than max-fids')" = 1 ] ||
        fail "the log does not say it once"
    sim --domid 2 --path "$share/large" attach --wait
    sim --domid 2 bench-fids --count 80000 --server "$daemon_pid" >"$work/out" 2>&1 || fail "$(cat "$work/out")"
    sim --domid 1 detach >/dev/null
    sim --domid 2 detach >/dev/null
}

run_tests "$@"
