# shellcheck shell=bash
# DESC: daemon in dom0 under a stock xl that starts QEMU as well; a guest's day of work
#
# Xen 4.17's xl writes the nodes of a p9= device and only then starts a QEMU,
# which would serve it. The daemon has the device long before; QEMU finds it
# taken, stays out, and publishes its own limits over the daemon's.
# shellcheck source=../dom0/lib.sh
. /payload/lib.sh
prepare_work "$share"
start_daemon
ramdisk /tmp/guest.cpio /payload/guest/work.sh /payload/tree.tar
config guest /tmp/guest.cpio "$(p9 share "$share")" > /tmp/guest.cfg
create /tmp/guest.cfg
b=/local/domain/0/backend/9pfs/$domid/0
if [ "$xen" = 417 ]; then
    check "xl started QEMU" pgrep -f "xen-qemu-system-i386 -xen-domid $domid"
    check "QEMU is ready" test "$(xenstore-read "/local/domain/0/device-model/$domid/state")" = running
    check "QEMU can serve 9pfs here" xenstore-exists "/local/domain/0/device-model/$domid/backends/9pfs"
    # shellcheck disable=SC2016
    check "QEMU wrote its own limits" awk -v b="$b" -v d="/device-model/$domid/backends/9pfs " \
        'index($0, d) { qemu = 1 } qemu && index($0, b "/max-ring") { n++ } END { exit n < 2 }' /results/watch.txt
    equal "max-rings" "$(xenstore-read "$b/max-rings")" 8
    equal "max-ring-page-order" "$(xenstore-read "$b/max-ring-page-order")" 9
    check "QEMU did not take the device" eval "! xenstore-exists $b/hotplug-status"
else
    check "xl started no QEMU" eval '! pgrep -f qemu-system'
fi
check "frontend connects" xs wait 60 "/local/domain/$domid/device/9pfs/0/state" 4
equal "backend is connected" "$(xenstore-read "$b/state")" 4
finished "$domid"
verify_work "$share"
nothing_left "$domid"
stop_daemon
