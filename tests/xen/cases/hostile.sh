# shellcheck shell=bash
# DESC: a guest that misbehaves in every way, and workers under foreign control; another guest goes on
#
# The bad guest's frontend is xen9pfs-sim, in its user space; dom0 plays the toolstack for it, with
# a new device for each misbehaviour. LAB_KINDS is a pattern of those to be done, instead of all that
# are not slow under emulation.
# shellcheck source=../dom0/lib.sh
. /payload/lib.sh
mkdir "$share/good" "$share/bad"
cat > /tmp/good <<'MAIN'
. /lab/lib.sh
load 9p
mount_share share /mnt none
cd /mnt
dd if=/dev/urandom of=/tmp/r bs=64k count=4 2>/dev/null
want=$(md5sum < /tmp/r)
round=0
while [ ! -e enough ]; do
    rm -f file
    cp /tmp/r file || bad "round $round: writing"
    [ "$(md5sum < file)" = "$want" ] || bad "round $round: what is read is not what was written"
    round=$((round + 1))
    echo $round > rounds.new && mv rounds.new rounds || bad "round $round: renaming"
    sleep 0.5
done
echo "$round rounds"
cd /
t umount umount /mnt
finish
MAIN
cat > /tmp/bad <<'MAIN'
. /lab/lib.sh
# without 9pnet_xen: nobody but xen9pfs-sim touches the devices
load driver
obey
load 9p
mount_share share /mnt
cd /mnt && . /lab/basic.sh
cd /; t umount umount /mnt
obey
finish
MAIN
start_daemon
guest_mem=192
ramdisk /tmp/good.cpio /tmp/good
config good /tmp/good.cpio "$(p9 share "$share/good")" > /tmp/good.cfg
create /tmp/good.cfg
good=$domid
ramdisk /tmp/bad.cpio /tmp/bad /payload/xen9pfs-sim
config bad /tmp/bad.cpio > /tmp/bad.cfg
create /tmp/bad.cfg
bad=$domid
xs wait 60 "/local/domain/$good/device/9pfs/0/state" 4 || die "the good guest does not connect"

# The good guest has finished a round since it was asked last.
rounds=0
goes_on() {
    local now=0
    read -r now 2>/dev/null < "$share/good/rounds"
    [ "$now" -gt "$rounds" ] || return 1
    rounds=$now
}
processes() { pgrep -c '^xen9pfsd'; }
only_the_good_share() { [ "$(processes)" = 4 ]; }

# The bad guest's device: its part, with small rings because its kernel is slow to take back pages that
# were in use when they were given up (ten in a second), and the toolstack's.
frontend='/lab/xen9pfs-sim --bus xen --order 4'
devid=0
toolstack() {
    /payload/xen9pfs-sim --bus xen --domid "$bad" --devid "$devid" --kind xen_9pfs --path "$share/bad" "$@"
}
attach() {
    devid=$((devid + 1))
    toolstack attach --wait || bad "there is no device for $1"
}
remove() {
    toolstack destroy > /tmp/out 2>&1 || bad "after $1 the device cannot be removed: $(cat /tmp/out)"
}
# What is left to the others after that.
look_around() {
    soon only_the_good_share || bad "after $1 there are $(processes) processes of the daemon"
    soon goes_on || bad "after $1 the good guest does nothing any more"
    daemon_alive
}

# Several in a row, for the sake of time: most of it goes into programs that are started.
misbehave() {
    local said kind from first=$((devid + 1))
    from=$(now_ms)
    for kind in "$@"; do attach "$kind"; done
    # shellcheck disable=SC2016
    said=$(in_guest "$bad" "i=$first rc=0; for k in $*; do" \
        "$frontend"' --devid $i misbehave $k || rc=1; i=$((i + 1)); done; exit $rc') ||
        bad "not answered as they should be: $(grep -vE '^(ok|1 misbehaviours)' <<< "$said")"
    say "$(grep '^ok' <<< "$said")"
    devid=$((first - 1))
    for kind in "$@"; do
        devid=$((devid + 1))
        remove "$kind"
    done
    look_around "$*"
    say "$(($(now_ms) - from)) ms"
}
soon goes_on || die "the good guest does nothing"
in_use=$(grants 0)
[ "$in_use" -gt 0 ] || bad "the check for mapped grants sees none"
slow='@(consume-late|flush-everything|flush-full|hoard-*|all-tags|garbage|flap-fast)'
kinds=()
for kind in $(toolstack misbehave list | awk '{ print $1 }'); do
    # shellcheck disable=SC2053 # a pattern
    [[ $kind != ${LAB_KINDS:-!($slow)} ]] || kinds+=("$kind")
done
for ((i = 0; i < ${#kinds[@]}; i += 8)); do misbehave "${kinds[@]:i:8}"; done
say "${#kinds[@]} kinds of misbehaviour"
equal "mapped grants" "$(grants 0)" "$in_use"

# hold: the bad guest has a device connected. Its worker is $worker.
hold() {
    attach "$1"
    in_guest "$bad" "$frontend --devid $devid hold > /tmp/hold 2>&1 & echo \$! > /tmp/hold.pid"
    xs wait 30 "/local/domain/$bad/device/9pfs/$devid/state" 4 || bad "the bad guest does not connect"
    worker=$(pgrep -n -x xen9pfsd-share)
}
let_go() {
    # It has ended, if the backend closed.
    # shellcheck disable=SC2016
    in_guest "$bad" 'kill $(cat /tmp/hold.pid) 2>/dev/null'
    remove "$1"
    look_around "$1"
}
say "=== a worker under foreign control"
hold takeover
confined 2
/payload/takeover "$worker" "$bad" "$good" > /tmp/out || bad "takeover: $(grep -v '^ok' /tmp/out)"
say "$(cat /tmp/out)"
kill -0 "$worker" || bad "the worker is gone"
let_go takeover
for name in $(/payload/takeover list); do
    hold "$name"
    check "$name" /payload/takeover "$worker" "$name"
    xs wait 20 "/local/domain/0/backend/xen_9pfs/$bad/$devid/state" 6 || bad "$name: the share goes on"
    let_go "$name"
done
equal "forbidden system calls" "$(grep -c 'looks like an attack' /results/daemon.log)" 3
equal "mapped grants" "$(grants 0)" "$in_use"

say "=== the bad guest is good"
attach share
in_guest "$bad" stop
in_guest "$bad" true                    # when that is done
remove share
in_guest "$bad" stop
finished "$bad"
touch "$share/good/enough"
finished "$good"
say "$(grep -a ' rounds' "/results/console-$good.txt")"
nothing_left "$bad" "$good"
stop_daemon
