# shellcheck shell=dash
# torture.sh - main script of a guest that works on the share and judges every
# result (torture.c), while dom0 does with the daemon what it wants. The guest's
# data/lab says how far it is, data/dom0 lets it go on.
# shellcheck source=lib.sh
. /lab/lib.sh
stage() { xenstore-write data/lab "$1"; xs wait 86400 data/dom0 "$1"; }
load 9p
mount_share share /mnt none
stage mounted
mkdir /mnt/load
options=$(sed -n 's/.*lab.torture=\([^ ]*\).*/\1/p' /proc/cmdline | tr , ' ')
# shellcheck disable=SC2086
/lab/torture load /mnt/load $options > /tmp/torture &
torture=$!
until grep -qs '^torture:' /tmp/torture || ! kill -0 $torture; do sleep 0.2; done
stage working
kill -TERM $torture
wait $torture
eq torture $? 0
cat /tmp/torture
forget
stage resting
t umount umount /mnt
finish
