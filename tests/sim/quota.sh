#!/bin/bash
# Project quotas of the host's file system: the guest sees them in statfs and runs into them, also
# beside limits of the share.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

# What is mounted here is gone with the test.
if [ "$(id -u)" = 0 ] && [ -z "${OWN_MOUNTS:-}" ]; then
    OWN_MOUNTS=1 exec unshare -m --propagation private "${BASH_SOURCE[0]}" "$@"
fi

# $share becomes a directory of an ext4 with a project quota of 8 MiB and 100 inodes.
share_with_quota() {
    need_root "mounting"
    command -v mkfs.ext4 >/dev/null || skip "there is no mkfs.ext4 (package e2fsprogs)"
    command -v setquota >/dev/null || skip "there is no setquota (package quota)"
    truncate -s 64M "$work/image"
    mkfs.ext4 -q -O quota,project -E quotatype=prjquota "$work/image" ||
        skip "mkfs.ext4 knows no project quotas"
    mkdir "$work/mount"
    mount -o loop,prjquota "$work/image" "$work/mount" 2>"$work/mount.err" ||
        skip "this kernel mounts no ext4 with project quotas: $(head -1 "$work/mount.err")"
    share=$work/mount/share
    mkdir "$share"
    chattr +P -p 42 "$share"
    setquota -P 42 0 8192 0 100 "$work/mount"
}

shown() { # KEY
    sim --domid 1 statfs | sed -n "s/^$1=//p"
}

attach() {
    sim --domid 1 --kind xen_9pfs --path "$share" "$@" attach --wait
}

fills_to() { # BYTES
    ! head -c 16M /dev/zero | sim --domid 1 put - large 2>"$work/err" || fail "not refused"
    grep -qE 'No space left on device|Disk quota exceeded' "$work/err" ||
        fail "$(cat "$work/err")"
    [ "$(stat -c %s "$share/large")" -le "$1" ] || fail "$(stat -c %s "$share/large") bytes"
    [ "$(stat -c %s "$share/large")" -gt $(($1 / 2)) ] || fail "$(stat -c %s "$share/large") bytes"
}

leave() {
    sim --domid 1 detach >/dev/null
    daemon_stop
    umount "$work/mount"
}

test_statfs_and_writes_know_of_a_project_quota() {
    share_with_quota
    daemon_start
    attach
    [ $(($(shown blocks) * $(shown bsize))) = $((8 << 20)) ] || fail "$(sim statfs)"
    [ "$(shown files)" = 100 ] || fail "$(sim statfs)"
    fills_to $((8 << 20))
    leave
}

test_the_stricter_of_quota_and_limit_holds() {
    share_with_quota
    daemon_start
    attach --max-space 4 --max-files 200
    [ $(($(shown blocks) * $(shown bsize))) = $((4 << 20)) ] || fail "$(sim statfs)"
    [ "$(shown files)" = 100 ] || fail "$(sim statfs)"
    fills_to $((4 << 20))
    leave
}

run_tests "$@"
