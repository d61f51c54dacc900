# shellcheck shell=bash
# shell.sh - in place of a case, for `lab --shell`: a guest with the share mounted
# whose console is the user's terminal.
# shellcheck source=../dom0/lib.sh
. /payload/lib.sh
cat > /tmp/main <<'MAIN'
. /lab/lib.sh
load 9p
mount_share share /mnt > /dev/null
cd /mnt
echo
echo "This is a guest on Xen; /mnt is the share. exit or ^] ends it."
setsid cttyhack sh
MAIN
say() { :; }                            # it is the user's screen
start_daemon
echo "xen9pfsd runs in dom0 and exports $share; the guest boots ..."
ramdisk /tmp/guest.cpio /tmp/main
config guest /tmp/guest.cpio "$(p9 share "$share")" > /tmp/guest.cfg
xl create -q /tmp/guest.cfg || exit 1
xl console guest < /dev/hvc0 > /dev/hvc0 2>&1
echo
xl destroy guest 2>/dev/null
stop_daemon
exit 0
