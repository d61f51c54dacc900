# shellcheck shell=dash
# basic.sh - the ordinary operations, once each, in a directory of their own
# below the current one. Removes it again. Sourced, after lib.sh.

mkdir basic && cd basic || { bad "mkdir basic"; finish; }
t ls ls -la
t statfs df .
mkdir d
echo hello > d/a; eq write "$(cat d/a)" hello
echo world >> d/a; eq append "$(tr '\n' ' ' < d/a)" "hello world "
dd if=/dev/urandom of=/tmp/r bs=1M count=4 2>/dev/null
want=$(md5sum < /tmp/r)
cp /tmp/r big; eq read-back "$(md5sum < big)" "$want"
forget; eq read-fresh "$(md5sum < big)" "$want"
t write-direct dd if=/tmp/r of=big2 bs=1M oflag=direct
eq read-direct "$(dd if=big2 bs=1M iflag=direct 2>/dev/null | md5sum)" "$want"
t fsync dd if=/tmp/r of=big3 bs=64k count=4 conv=fsync
mv big d/renamed; eq rename "$(md5sum < d/renamed)" "$want"
mv big2 d/renamed; eq rename-over "$(ls d | tr '\n' ' ')" "a renamed "
chmod 640 d/a; eq chmod "$(stat -c %a d/a)" 640
chown 1234:5678 d/a; eq chown "$(stat -c %u:%g d/a)" 1234:5678
touch -d '2020-01-02 03:04:05' d/a; eq utimes "$(stat -c %Y d/a)" 1577934245
truncate -s 3 d/a; eq truncate "$(cat d/a)" hel
ln -s d/a sl; eq readlink "$(readlink sl)" d/a; eq symlink-follow "$(cat sl)" hel
ln d/a hl; eq hardlink "$(stat -c %h d/a)" 2
t mkfifo mkfifo ff; eq fifo "$(stat -c %F ff)" fifo
t mknod mknod cd c 1 3; eq device "$(stat -c %t:%T cd)" 1:3
t setxattr setfattr -n user.lab -v value d/a
# by path: busybox has an applet of that name in trixie, with fewer options
eq getxattr "$(/bin/getfattr --only-values -n user.lab d/a 2>/dev/null)" value
eq listxattr "$(/bin/getfattr d/a 2>/dev/null | grep -c user.lab)" 1
t rmxattr setfattr -x user.lab d/a
i=0; while [ $i -lt 100 ]; do : > d/many-$i; i=$((i + 1)); done
forget; eq readdir "$(ls d | wc -l)" 102
exec 3> d/gone; rm d/gone; echo x >&3; eq unlinked-open "$(stat -L -c %s:%h /proc/self/fd/3)" 2:0; exec 3>&-
# the inner one finds the lock taken
eq flock "$(flock d/a flock -n d/a echo twice; echo $?)" 1
t rmdir-full sh -c '! rmdir d'
t rm rm -r d hl sl ff cd big3
eq empty "$(ls -A)" ""
cd .. && rmdir basic || bad "rmdir basic"
