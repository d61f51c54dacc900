#!/bin/bash
# Project quotas of the host's file system: the guest sees them in statfs and runs into them, also
# beside limits of the share. A kernel without them is helped out by User-Mode Linux.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

# What is mounted here is gone with the test.
if [ "$(id -u)" = 0 ] && [ -z "${OWN_MOUNTS:-}" ] && unshare -m true 2>/dev/null; then
    OWN_MOUNTS=1 exec unshare -m --propagation private "${BASH_SOURCE[0]}" "$@"
fi

# mount_with_quotas ext4|xfs: a new file system with project quotas, at $work/mount
mount_with_quotas() {
    local make=(mkfs.ext4 -q -O quota,project -E quotatype=prjquota)
    [ "$1" = ext4 ] || make=(mkfs.xfs -q)
    truncate -s 400M "$work/image"
    "${make[@]}" "$work/image"
    mkdir -p "$work/mount"
    mount -t "$1" -o loop,prjquota "$work/image" "$work/mount" 2>"$work/mount.err"
}

# Sanitizers' runtimes do not start in there.
if [ -n "${OWN_MOUNTS:-}" ] && [ -z "${IN_UML:-}" ] && ! sanitized &&
    command -v linux.uml mkfs.ext4 >/dev/null; then
    work=$(mktemp -d)
    here=no
    ! mount_with_quotas ext4 || here=yes
    umount "$work/mount" 2>/dev/null || true
    rm -rf "$work"
    [ $here = yes ] || BUILD_DIR=$build exec "$top/tests/lib/in_uml.sh" "quota_tree quota_v2 loop" \
        tests/sim/quota.sh "$@"
fi

# $share becomes a directory of such a file system, with a project quota of 8 MiB and 100 inodes.
share_with_quota() { # ext4|xfs
    need_root "mounting"
    [ -n "${OWN_MOUNTS:-}" ] || skip "there is no mount namespace to be had"
    command -v "mkfs.$1" >/dev/null || skip "there is no mkfs.$1"
    command -v setquota >/dev/null || skip "there is no setquota (package quota)"
    mount_with_quotas "$1" ||
        skip "this kernel mounts no $1 with project quotas: $(head -1 "$work/mount.err")"
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

fills_to_100_files() {
    local i
    for i in {1..98}; do
        : >"$share/file-$i" # the directory counts, too
    done
    echo x | sim --domid 1 put - last
    ! echo x | sim --domid 1 put - one-too-many 2>"$work/err" || fail "not refused"
    grep -qE 'No space left on device|Disk quota exceeded' "$work/err" ||
        fail "$(cat "$work/err")"
}

statfs_and_writes_know_of_a_project_quota() { # ext4|xfs
    share_with_quota "$1"
    daemon_start
    attach
    [ $(($(shown blocks) * $(shown bsize))) = $((8 << 20)) ] || fail "$(sim statfs)"
    [ "$(shown files)" = 100 ] || fail "$(sim statfs)"
    fills_to $((8 << 20))
    rm "$share/large"
    fills_to_100_files
    leave
}

test_statfs_and_writes_know_of_a_project_quota_of_ext4() {
    statfs_and_writes_know_of_a_project_quota ext4
}

test_statfs_and_writes_know_of_a_project_quota_of_xfs() {
    statfs_and_writes_know_of_a_project_quota xfs
}

test_the_stricter_of_quota_and_limit_holds() {
    share_with_quota ext4
    daemon_start
    attach --max-space 4 --max-files 200
    [ $(($(shown blocks) * $(shown bsize))) = $((4 << 20)) ] || fail "$(sim statfs)"
    [ "$(shown files)" = 100 ] || fail "$(sim statfs)"
    fills_to $((4 << 20))
    leave
}

run_tests "$@"
