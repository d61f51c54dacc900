# shellcheck shell=bash
# DESC: daemon in a driver domain that owns the disk; the same day of work, and a destroy
# shellcheck source=../dom0/lib.sh
. /payload/lib.sh
umount "$share"
mkdir -p /mnt/export
mount /dev/ram0 /mnt/export
prepare_work /mnt/export
umount /mnt/export

start_driver_domain
ramdisk /tmp/guest.cpio /payload/guest/work.sh /payload/tree.tar
config guest /tmp/guest.cpio "$(p9 share "$share" backend=drvdom)" > /tmp/guest.cfg
create /tmp/guest.cfg
equal "the backend's domain" "$(xenstore-read "/local/domain/$domid/device/9pfs/0/backend-id")" "$backend_domain"
check "frontend connects" xs wait 60 "/local/domain/$domid/device/9pfs/0/state" 4
finished "$domid"
nothing_left "$domid"

# libxl waits up to 10 s for the driver domain to remove the device's directory
cat > /tmp/main <<'MAIN'
. /lab/lib.sh
load 9p
mount_share share /mnt
xenstore-write data/lab mounted
while :; do cp /lab/work.sh /mnt/copy; done
MAIN
ramdisk /tmp/guest.cpio /tmp/main
create /tmp/guest.cfg
xs wait 60 "/local/domain/$domid/data/lab" mounted || bad "the second guest does not mount"
[ "$(grants "$backend_domain")" -gt 0 ] || bad "the driver domain has no mapped grants"
destroy "$domid"
nothing_left "$domid"

stop_driver_domain
mount /dev/ram0 /mnt/export
verify_work /mnt/export
umount /mnt/export
