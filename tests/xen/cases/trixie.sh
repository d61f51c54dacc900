# shellcheck shell=bash
# DESC: Xen 4.20's own kind, type=xen_9pfsd: xl finds our daemon and starts nothing
# SUITE: trixie
#
# xl starts its own xen-9pfsd, unless somebody has announced himself. A second
# share, of the older kind 9pfs, is there without any QEMU: xl starts one only when
# type=qemu is written out.
# shellcheck source=../dom0/lib.sh
. /payload/lib.sh
mkdir -p "$share/old"
cat > /tmp/main <<'MAIN'
. /lab/lib.sh
load 9p
mount_share new /mnt
mount_share old /old
cd /mnt && . /lab/basic.sh
echo "by xen_9pfs" > /mnt/old/file
eq other-share "$(cat /old/file)" "by xen_9pfs"
cp /tmp/r /old/big & copy=$!
cp /tmp/r /mnt/big; wait $copy
forget
t both-shares cmp /mnt/big /old/big
cd /
t umount umount /mnt
t umount umount /old
finish
MAIN
servers() { pgrep -l '^(xen-9pfsd|.*qemu.*)$'; }
check "Xen's own daemon is installed" test -x "$(echo /usr/lib/xen-4.*/bin/xen-9pfsd)"
start_daemon
ramdisk /tmp/guest.cpio /tmp/main

say "=== both kinds in one guest"
config both /tmp/guest.cpio "$(p9 new "$share" type=xen_9pfsd)" "$(p9 old "$share/old")" > /tmp/both.cfg
create /tmp/both.cfg
equal "kind of the first share" "$(xenstore-read "/local/domain/$domid/device/9pfs/0/backend")" "/local/domain/0/backend/xen_9pfs/$domid/0"
equal "kind of the second share" "$(xenstore-read "/local/domain/$domid/device/9pfs/1/backend")" "/local/domain/0/backend/9pfs/$domid/1"
equal "other servers" "$(servers)" ""
check "xl took no notice of a pid" eval '! xenstore-exists /local/domain/0/libxl/xen-9pfs/pid'
finished "$domid"
nothing_left "$domid"

say "=== one of each, and destroyed"
for kind in xen_9pfsd ''; do
    config one /tmp/guest.cpio "$(p9 new "$share" ${kind:+type=$kind})" > /tmp/one.cfg
    create /tmp/one.cfg
    check "frontend connects" xs wait 60 "/local/domain/$domid/device/9pfs/0/state" 4
    equal "other servers" "$(servers)" ""
    destroy "$domid"
    nothing_left "$domid"
done
stop_daemon
