# shellcheck shell=dash
# driver.sh - main script of a driver domain: mounts the disk it was given, runs
# the daemon on it, and says so in its data/lab. Then it does what dom0 orders.
# shellcheck source=lib.sh
. /lab/lib.sh
load driver
mount -t xenfs xenfs /proc/xen
mount -t ext4 /dev/xvda /srv/share || finish
mkfifo /tmp/log
tee /tmp/daemon.log < /tmp/log | sed 's/^/daemon: /' &
# shellcheck disable=SC2154
[ -z "$LAB_CRASH" ] || export XEN9PFSD_CRASH="$LAB_CRASH"
# shellcheck disable=SC2154
/lab/xen9pfsd --export /srv/share --special-files nodes --log-level "$LAB_LOG" > /tmp/log 2>&1 < /dev/null &
daemon=$!
t announced xs wait 30 libxl/xen-9pfs/state running
[ $fails = 0 ] || finish
processes() {
    n=0
    for p in /proc/[0-9]*/exe; do [ "$(readlink "$p")" = /lab/xen9pfsd ] && n=$((n + 1)); done
    echo $n
}
idle=$(processes)
xenstore-write data/lab ready
obey
t alive kill -0 $daemon
eq share-processes "$(processes)" "$idle"
kill -INT $daemon
wait $daemon
eq exit-status $? 0
eq processes "$(processes)" 0
t umount umount /srv/share
finish
