#!/bin/bash
# in_uml.sh MODULES SCRIPT [ARGUMENT...] - runs a test script of this checkout in User-Mode Linux,
# after loading MODULES (a list, in order), for what the kernel of this machine has not. As root.
# What the script says and its exit status are ours; 77 when there is no guest to run it in.
#
# The guest's root is the host's, read-only; /tmp and the like are memory of its own. BUILD_DIR is
# the build, as tests/lib/bus.sh has it.
set -u

if [ "$1" != --inside ]; then
    top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
    dir=$(mktemp -d "${TMPDIR:-/tmp}/xen9pfsd-uml.XXXXXX")
    trap 'rm -rf "$dir"' EXIT
    printf '%s\n' "$top" "${BUILD_DIR:-$top/build}" "$@" >"$dir/arguments"
    # cat: UML makes its output non-blocking, also for who shares it.
    linux.uml mem=1G rootfstype=hostfs rootflags=/ ro init="$top/tests/lib/in_uml.sh" \
        con=null con0=null,fd:1 quiet selinux=0 apparmor=0 panic=1 umid=test uml_dir="$dir/memory" \
        -- --inside "$dir" 2>&1 </dev/null | cat >"$dir/console"
    [ -e "$dir/status" ] || {
        echo "    skipped: User-Mode Linux does not start here: $(tail -n 1 "$dir/console")"
        exit 77
    }
    sed '1,/^TEST-BEGINS/d; /^TEST-ENDS/,$d' "$dir/console"
    exit "$(cat "$dir/status")"
fi

# ---- process 1 of the guest: its end would be a panic ----

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
dir=$2
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=755 mnt /mnt
mkdir /mnt/dir /mnt/top /mnt/build
mount -t hostfs -o "$dir" dir /mnt/dir
mapfile -t arguments </mnt/dir/arguments
mount -t hostfs -o "${arguments[0]}" top /mnt/top
mount -t hostfs -o "${arguments[1]}" build /mnt/build
for d in /tmp /run /var/tmp /root /dev/shm; do
    mkdir -p "$d"
    mount -t tmpfs -o mode=1777 tmp "$d"
done
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
ip link set lo up
for m in ${arguments[2]}; do
    find "/usr/lib/uml/modules/$(uname -r)" -name "$m.ko" -exec insmod {} \;
done
echo TEST-BEGINS
cd /mnt/top && TMPDIR=/tmp BUILD_DIR=/mnt/build IN_UML=1 "${arguments[@]:3}"
status=$?
echo TEST-ENDS
echo $status >/mnt/dir/status
sync
echo o >/proc/sysrq-trigger
sleep infinity
