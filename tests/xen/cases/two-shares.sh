# shellcheck shell=bash
# DESC: two guests at a time with two shares each, all of them in use at once
#
# One share is common to both guests. Each guest writes to its two shares in
# parallel and reads back, past its caches; each sees what the other wrote.
# shellcheck source=../dom0/lib.sh
. /payload/lib.sh
mkdir -p "$share"/{common,own1,own2}
cat > /tmp/main <<'MAIN'
. /lab/lib.sh
load 9p
me=$(sed -n 's/.*lab.guest=\([12]\).*/\1/p' /proc/cmdline) other=$((3 - me))
mount_share common /common none
mount_share own /own none
echo "guest $me" > /own/who
dd if=/dev/urandom of=/tmp/r bs=1M count=3 2>/dev/null
want=$(md5sum < /tmp/r)
for round in 1 2 3 4; do
    cp /tmp/r /common/big$me & copy=$!
    cp /tmp/r /own/big
    wait $copy
    forget
    md5sum < /common/big$me > /tmp/sum & copy=$!
    eq own-$round "$(md5sum < /own/big)" "$want"
    wait $copy
    eq common-$round "$(cat /tmp/sum)" "$want"
    mkdir /common/dir$me.$round /own/dir.$round
done
echo "guest $me" > /common/.from$me
mv /common/.from$me /common/from$me
# the other guest may be slower, by any amount
while [ ! -e /common/from$other ]; do sleep 0.2; done
eq other-guest "$(cat /common/from$other)" "guest $other"
eq own-share "$(cat /own/who)" "guest $me"
eq listing "$(ls /own | tr '\n' ' ')" "big dir.1 dir.2 dir.3 dir.4 who "
t umount umount /common
t umount umount /own
finish
MAIN
start_daemon
guest_mem=192
ramdisk /tmp/guest.cpio /tmp/main
for n in 1 2; do
    guest_args=lab.guest=$n config guest$n /tmp/guest.cpio \
        "$(p9 common "$share/common")" "$(p9 own "$share/own$n")" > /tmp/guest$n.cfg
    create /tmp/guest$n.cfg
    guests[n]=$domid
done
xs wait 60 "/local/domain/${guests[2]}/device/9pfs/1/state" 4 || bad "guest 2 does not connect"
say "$(daemon_processes) processes of the daemon"
confined 4
finished "${guests[1]}"
finished "${guests[2]}"
equal "host: files" "$(cd "$share" && echo common/from* own*/who)" "common/from1 common/from2 own1/who own2/who"
check "host: contents" cmp "$share/common/big1" "$share/own1/big"
check "host: contents" cmp "$share/common/big2" "$share/own2/big"
nothing_left "${guests[@]}"
stop_daemon
