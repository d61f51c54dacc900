# shellcheck shell=bash
# script.sh - in place of a case, for `lab --script FILE`: runs /payload/script in
# a guest with the share mounted at /mnt, and ends with its exit status.
# shellcheck source=../dom0/lib.sh
. /payload/lib.sh
cat > /tmp/main <<'MAIN'
. /lab/lib.sh
load 9p
mount_share share /mnt
cd /mnt || exit 97
echo LAB-SCRIPT-BEGIN
sh /lab/script
rc=$?
echo LAB-SCRIPT-END
cd / && umount /mnt
exit $rc
MAIN
start_daemon
guest_files=/payload/script
run_guest guest /tmp/main "$(p9 share "$share")" || failures=$((failures - 1))
nothing_left "$domid"
stop_daemon
[ "$failures" = 0 ] || finish
exit "$guest_rc"
