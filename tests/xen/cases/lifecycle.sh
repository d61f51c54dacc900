# shellcheck shell=bash
# DESC: shutdown, destroy under load, re-creation; the daemon lives through it all
# shellcheck source=../dom0/lib.sh
. /payload/lib.sh
mkdir -p "$share/here"
cat > /tmp/main <<'MAIN'
. /lab/lib.sh
load 9p
mount_share share /mnt none
cd /mnt/here
eq what-was-here "$(cat count 2>/dev/null || echo 0)" "$(sed -n 's/.*lab.count=\([0-9]*\).*/\1/p' /proc/cmdline)"
if grep -q lab.busy /proc/cmdline; then
    # until somebody destroys us
    for w in 1 2 3; do
        while dd if=/dev/zero of=load$w bs=64k count=32 2>/dev/null && dd if=load$w of=/dev/null bs=64k 2>/dev/null; do :; done &
    done
    (while mkdir d && mv d e && rmdir e; do :; done) &
    sleep 1
    xenstore-write data/lab busy
    wait
    bad "the load ended"
    finish
fi
echo $(($(cat count 2>/dev/null || echo 0) + 1)) > count
sync
if grep -q lab.mounted /proc/cmdline; then
    # a shutdown with the share in use
    echo "LAB-GUEST-RC=$fails"
    exec 3< count
    sleep 0.5
    poweroff -f
    sleep 60
fi
cd /
t umount umount /mnt
finish
MAIN
start_daemon
ramdisk /tmp/guest.cpio /tmp/main
guest() {                               # the same guest every time, but for its arguments
    guest_args="lab.count=$*" config guest /tmp/guest.cpio "$(p9 share "$share")" > /tmp/guest.cfg
    create /tmp/guest.cfg
}
first=$daemon
say "=== shutdown"
guest 0
finished "$domid"
nothing_left "$domid"
say "=== shutdown while mounted"
guest 1 lab.mounted
finished "$domid"
nothing_left "$domid"
for round in 1 2; do
    say "=== destroy under load, $round"
    guest 2 lab.busy
    xs wait 120 "/local/domain/$domid/data/lab" busy || bad "the guest gets no load going"
    [ $round = 2 ] || { n=$(grants 0); say "$n grants are mapped"; [ "$n" -gt 0 ] || bad "the check for mapped grants sees none"; }
    destroy "$domid"
    nothing_left "$domid"
done
say "=== destroy before the guest connects"
config guest /tmp/guest.cpio "$(p9 share "$share")" > /tmp/guest.cfg
xl create -q -p /tmp/guest.cfg || bad "xl create -p"
domid=$(xl domid guest)
destroy "$domid"
nothing_left "$domid"
say "=== after all that"
guest 2
finished "$domid"
nothing_left "$domid"
equal "host: rounds" "$(cat "$share/here/count")" 3
equal "the daemon is the same process" "$daemon" "$first"
stop_daemon
