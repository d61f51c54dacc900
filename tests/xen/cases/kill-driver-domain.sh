# shellcheck shell=bash
# DESC: the same with the daemon in a driver domain
# shellcheck source=../dom0/lib.sh
. /payload/lib.sh
umount "$share"
start_driver_domain /payload/torture /payload/killer
# shellcheck source=../dom0/torture.sh
. /payload/torture.sh
tortured
kill_processes "$kills" 100000 500000 worker
torture_ends
stop_driver_domain
