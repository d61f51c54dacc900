#!/bin/bash
# A guest's work on files, from its side and as the host sees it.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

a_day_of_work_passes_with_kind() {
    daemon_start
    visit 1 --kind "$1" day --lines >"$work/day" 2>/dev/null ||
        fail "day: $(grep -v ^ok "$work/day")"
    grep -qx failed=0 "$work/day" || fail "day: $(cat "$work/day")"
    [ "$(ls "$share/day")" = "$(printf 'latest\npapers\nreport')" ] ||
        fail "the host does not see the result: $(ls "$share/day")"
    nothing_left 1
}

test_day_of_work_passes_with_kind_9pfs() {
    a_day_of_work_passes_with_kind 9pfs
}

test_day_of_work_passes_with_kind_xen_9pfs() {
    a_day_of_work_passes_with_kind xen_9pfs
}

# on_host FILE FORMAT: what stat(1) on the host says.
on_host() {
    stat -c "$2" "$share/$1"
}

test_host_sees_what_the_guest_made() {
    daemon_start
    visit 1 mkdir tree
    printf 'one\ntwo\n' >"$work/in"
    visit 1 put "$work/in" tree/file
    visit 1 chmod 0640 tree/file
    visit 1 ln -s ../nowhere/at/all tree/link
    visit 1 ln tree/file tree/second
    visit 1 put /dev/null tree/empty
    visit 1 truncate 1M tree/empty
    visit 1 mknod tree/pipe p

    cmp "$work/in" "$share/tree/file"
    [ "$(on_host tree/file '%a %h')" = "640 2" ] || fail "file: $(on_host tree/file '%a %h')"
    [ "$(on_host tree/file %i)" = "$(on_host tree/second %i)" ] || fail "the link is a copy"
    [ "$(readlink "$share/tree/link")" = ../nowhere/at/all ] || fail "the link's target"
    [ "$(on_host tree/empty %s)" = 1048576 ] || fail "size: $(on_host tree/empty %s)"
    [ "$(on_host tree/pipe %F)" = fifo ] || fail "fifo: $(on_host tree/pipe %F)"

    visit 1 mv tree/second tree/third
    visit 1 rm tree/empty
    [ "$(ls "$share/tree")" = "$(printf 'file\nlink\npipe\nthird')" ] ||
        fail "the host sees: $(ls "$share/tree")"
    visit 1 rm -r tree
    [ -z "$(ls "$share")" ] || fail "something is left: $(ls "$share")"
}

test_guest_sees_what_the_host_made() {
    daemon_start
    mkdir "$share/sub"
    printf 'from the host\n' >"$share/sub/file"
    chmod 0604 "$share/sub/file"
    ln -s sub/file "$share/link"
    [ "$(visit 1 cat sub/file)" = "from the host" ] || fail "content"
    [ "$(visit 1 readlink link)" = sub/file ] || fail "link"
    visit 1 ls -l sub | grep -q -- '^-rw----r-- .* file$' || fail "$(visit 1 ls -l sub)"
}

test_host_sees_the_owners_a_guest_gives() {
    need_root "only root may give files away"
    daemon_start
    visit 1 put /etc/hostname file
    visit 1 chown 1234:5678 file
    visit 1 mkdir dir
    visit 1 chown 4000000000:7 dir
    [ "$(on_host file %u:%g)" = 1234:5678 ] || fail "file: $(on_host file %u:%g)"
    [ "$(on_host dir %u:%g)" = 4000000000:7 ] || fail "dir: $(on_host dir %u:%g)"
}

test_large_file_comes_through_unchanged() {
    local sum
    daemon_start
    head -c 64M /dev/urandom >"$work/in"
    sum=$(sha256sum <"$work/in")
    visit 1 put "$work/in" big
    [ "$(sha256sum <"$share/big")" = "$sum" ] || fail "the host's copy differs"
    visit 1 cat big >"$work/out"
    [ "$(sha256sum <"$work/out")" = "$sum" ] || fail "what the guest reads differs"
}

test_odd_sizes_come_through_unchanged() {
    daemon_start
    head -c 1100000 /dev/urandom >"$work/all"
    for size in 0 1 4095 4097 524264 524265 1048577; do
        head -c $size "$work/all" >"$work/in"
        visit 1 put "$work/in" "file-$size"
        cmp "$work/in" "$share/file-$size"
        visit 1 cat "file-$size" | cmp - "$work/in"
    done
}

run_tests "$@"
