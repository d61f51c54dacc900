# shellcheck shell=bash
# DESC: the quickest useful run: a share in dom0, one guest, each operation once
# shellcheck source=../dom0/lib.sh
. /payload/lib.sh
cat > /tmp/main <<'MAIN'
. /lab/lib.sh
load 9p
mount_share share /mnt
cd /mnt && . /lab/basic.sh
cd /; t umount umount /mnt
finish
MAIN
start_daemon
run_guest guest /tmp/main "$(p9 share "$share")"
nothing_left "$domid"
stop_daemon
