# shellcheck shell=bash
# DESC: a guest whose root file system is the share
#
# 9p and 9pnet_xen are modules in Debian's kernels, so an initramfs loads them and
# mounts what root=, rootfstype=, rootflags= on the command line say.
# shellcheck source=../dom0/lib.sh
. /payload/lib.sh
r=$share/root
mkdir -p "$r"/{bin,sbin,dev,proc,sys,tmp,etc,usr,var,root,lib64}
(cd "$r" && mkdir u && cd u && busybox cpio -i < /lab/domu.cpio) 2>/dev/null
cp -a "$r"/u/{bin,lib,lib64} "$r/"
rm -r "$r/u"
ln -s ../lib "$r/usr/lib"
cat > "$r/sbin/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin 2>/dev/null      # there are no applets yet
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
. /etc/lib.sh
t root-is-9p grep ' / 9p ' /proc/mounts
echo hello > /etc/motd; eq write "$(cat /etc/motd)" hello
ln -s motd /etc/link; eq symlink "$(cat /etc/link)" hello
t dynamic-program setfattr -n user.a -v b /etc/motd
cp /bin/busybox /tmp/; eq new-program "$(/tmp/busybox echo x)" x
mkfifo /tmp/f; (echo y > /tmp/f) & eq fifo "$(cat /tmp/f)" y
(exec 3> /tmp/gone; rm /tmp/gone; echo z >&3) || bad write-to-unlinked
t database sqlite3 /var/db 'PRAGMA journal_mode=WAL; CREATE TABLE t(a); INSERT INTO t VALUES(1);'
i=0; while [ $i -lt 50 ]; do /bin/busybox true; i=$((i + 1)); done; ok fifty-programs
cd / && mkdir -p work && cd work && . /etc/basic.sh
cd /; forget
# not with t, whose output file is on this root
mount -o remount,ro / && ok remount-ro || bad remount-ro
touch /x 2>/dev/null && bad is-read-only || ok is-read-only
echo "$checks checks, $fails failed"
echo "LAB-GUEST-RC=$fails"
sleep 0.3
poweroff -f
INIT
chmod +x "$r/sbin/init"
cp /payload/guest/*.sh "$r/etc/"
cat > /tmp/init <<'MAIN'
#!/bin/busybox sh
. /lab/lib.sh
load 9p
for a in $(cat /proc/cmdline); do
    case $a in root=*) root=${a#*=} ;; rootfstype=*) type=${a#*=} ;; rootflags=*) flags=${a#*=} ;; esac
done
mkdir /new
t mount mount -t "$type" -o "$flags" "$root" /new
[ $fails = 0 ] || { echo "LAB-GUEST-RC=$fails"; poweroff -f; }
umount /proc /sys /dev/pts
exec switch_root /new /sbin/init
MAIN
chmod +x /tmp/init
start_daemon
ramdisk /tmp/guest.cpio /dev/null /tmp/init
guest_args='root=share rootfstype=9p rootflags=trans=xen,version=9p2000.L,msize=131072,cache=mmap rw' \
    config guest /tmp/guest.cpio "$(p9 share "$r")" > /tmp/guest.cfg
create /tmp/guest.cfg
finished "$domid"
equal "host: motd" "$(cat "$r/etc/motd")" hello
nothing_left "$domid"
stop_daemon
