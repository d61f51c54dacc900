# shellcheck shell=bash
# DESC: workers killed at random under a guest that judges every result; it notices nothing
# shellcheck source=../dom0/lib.sh
. /payload/lib.sh
# shellcheck source=../dom0/torture.sh
. /payload/torture.sh
start_daemon
tortured
kill_processes "$kills" 100000 500000 worker
torture_ends
stop_daemon
