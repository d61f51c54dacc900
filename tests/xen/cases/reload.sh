# shellcheck shell=bash
# DESC: the guest's frontend unloaded and loaded again; unplugged and plugged in again
#
# What Linux 6.1.y and 6.12.y do (measured): unloading takes the frontend from 4
# straight to 6. Loading again leaves it in 6, and a mount fails: since "9p/xen: fix
# init sequence" the driver begins only with a device that the kernel takes for a new
# one. So the module's reload is followed here as far as it goes; then the guest's
# user space writes the state 1 with which other frontends begin anew; and
# then the toolstack's part is played to give the kernel a new device.
# shellcheck source=../dom0/lib.sh
. /payload/lib.sh
cat > /tmp/main <<'MAIN'
. /lab/lib.sh
# tell dom0 where we are, wait until it has looked
stage() { xenstore-write data/lab "$1"; xs wait 600 data/dom0 "$1" || finish; }
use() {
    mkdir -p /mnt
    t "$1: mount" mount -t 9p -o trans=xen,version=9p2000.L,msize=131072 share /mnt
    echo "$1" > /mnt/by-guest; eq "$1: write" "$(cat /mnt/by-guest)" "$1"
    t "$1: umount" umount /mnt
}
load 9p
use loaded
stage loaded
# a device that is bound holds the module
echo 9pfs-0 > /sys/bus/xen/drivers/9pfs/unbind || bad unbind
t rmmod rmmod 9pnet_xen
stage unloaded
t insmod insmod /mod/9pnet_xen.ko
t "mount is refused" sh -c '! mount -t 9p -o trans=xen,version=9p2000.L share /mnt'
stage reloaded
xenstore-write device/9pfs/0/state 1
stage initialising
stage unplugged
use plugged
stage plugged
finish
MAIN
start_daemon
ramdisk /tmp/guest.cpio /tmp/main
config guest /tmp/guest.cpio "$(p9 share "$share")" > /tmp/guest.cfg
create /tmp/guest.cfg
d=/local/domain/$domid f=$d/device/9pfs/0 b=/local/domain/0/backend/9pfs/$domid/0
stage() { xs wait 120 "$d/data/lab" "$1" || die "the guest does not get to '$1'"; say "=== $1"; }
proceed() { xenstore-write "$d/data/dom0" "$1"; }
states() { equal "states of frontend and backend" "$(xenstore-read "$f/state") $(xenstore-read "$b/state")" "$1"; }

stage loaded
states "4 4"
in_use=$(grants 0)
[ "$in_use" -gt 0 ] || bad "no mapped grants"
proceed loaded

stage unloaded
check "backend closes" xs wait 10 "$b/state" 6
states "6 6"
equal "mapped grants" "$(grants 0)" 0
daemon_alive
proceed unloaded

stage reloaded
states "6 6"
equal "mapped grants" "$(grants 0)" 0
proceed reloaded

stage initialising
check "backend offers the device again" xs wait 10 "$b/state" 2
proceed initialising

# As libxl does for an API user who removes a device of a running guest, and adds
# one. It comes back as kind xen_9pfs: on Xen 4.17 this guest has a QEMU, which by
# now would see a new device of kind 9pfs just when the daemon does.
unplug() {
    xenstore-write "$b/online" 0 "$b/state" 5
    check "backend closes for the toolstack" xs wait 10 "$b/state" 6
    xenstore-rm "$f"
    xenstore-rm "${b%/*}"               # with its parent, which is empty otherwise
    sleep 0.5
    check "it leaves removed nodes alone" eval "! xenstore-exists $b"
}
stage unplugged
unplug
b=/local/domain/0/backend/xen_9pfs/$domid/0
# xenstore's tools cannot set permissions inside a transaction, but new nodes have
# those of their directory. One call is one transaction: nobody sees half a device.
xenstore-write "$f" "" "$b" ""
xenstore-chmod "$f" "n$domid" r0
xenstore-chmod "$b" n0 "r$domid"
xenstore-write "$f/backend" "$b" "$f/backend-id" 0 "$f/state" 1 "$f/tag" share \
    "$b/frontend" "$f" "$b/frontend-id" "$domid" "$b/online" 1 "$b/state" 1 \
    "$b/path" "$share" "$b/security_model" none
check "frontend connects" xs wait 60 "$f/state" 4
proceed unplugged

stage plugged
states "4 4"
equal "mapped grants" "$(grants 0)" "$in_use"
equal "host: file" "$(cat "$share/by-guest")" plugged
# once more, connected this time
unplug
equal "mapped grants" "$(grants 0)" 0
proceed plugged

finished "$domid"
nothing_left "$domid"
stop_daemon
