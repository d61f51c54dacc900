# shellcheck shell=dash
# lib.sh - what a script in a guest is written with (busybox sh). One line per
# check; `finish` ends with the number of failed ones.

# shellcheck source=/dev/null
[ ! -e /lab/env ] || . /lab/env
fails=0 checks=0
report() {
    checks=$((checks + 1))
    read -r up _ < /proc/uptime
    echo "$up $1 $2"
}
ok() { report "ok  " "$1"; }
bad() { fails=$((fails + 1)); report FAIL "$1"; }
# t NAME COMMAND...
t() {
    name=$1
    shift
    if "$@" > /tmp/out 2>&1; then ok "$name"; else bad "$name: $(tail -c 300 /tmp/out | tr '\n' ' ')"; fi
}
# eq NAME IS SHOULD
eq() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1: '$2' instead of '$3'"; fi; }
finish() {
    cd /
    dmesg | grep -E '9p|xenbus|hung|BUG|WARN' | tail -8
    alarm=$(dmesg | grep -m 1 -E 'BUG|Oops|WARNING|Bad page|Call Trace|blocked for more than|rcu.*stall')
    [ -z "$alarm" ] || bad "kernel: $alarm"
    echo "$checks checks, $fails failed"
    exit $fails
}
# load GROUP: kernel modules (9p, driver). Some are for hardware that is not there.
load() {
    while read -r m; do
        insmod "/mod/$m" 2>> /tmp/insmod
    done < "/mod/$1.order"
}
# The share is mounted for a guest's everyday use. cache=mmap and not none,
# because sqlite's WAL and others map files shared and writable, which the
# kernel refuses without; it caches nothing beyond what is mapped.
mount_share() {
    mkdir -p "$2"
    t "mount $1" mount -t 9p -o "trans=xen,version=9p2000.L,msize=131072,cache=${3:-mmap}" "$1" "$2"
    grep -q " $2 9p " /proc/mounts || finish
}
# obey: does what dom0 orders (in_guest): a command line in data/order, whose turn it is when data/idle
# is removed; "stop" ends it.
obey() {
    while :; do
        xenstore-write data/idle yes
        xs wait 86400 data/idle
        order=$(xenstore-read -R data/order)
        [ "$order" != stop ] || return 0
        sh -c "$order" > /tmp/output 2>&1
        xenstore-write data/status $? data/output "$(tail -c 2000 /tmp/output)"
    done
}
forget() { sync; echo 3 > /proc/sys/vm/drop_caches; }       # the guest's caches
