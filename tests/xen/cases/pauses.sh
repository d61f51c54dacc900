# shellcheck shell=bash
# DESC: how long a guest waits when a worker dies, by ring order and standby; prints a table
#
# A guest reads 4 KiB at a time, past its caches, and measures each call; meanwhile workers die,
# one after the other. As many of the longest delays as there were deaths are the pauses. The
# guest's kernel takes the largest rings that the backend offers, so the toolstack offers less
# over the daemon's head.
# shellcheck source=../dom0/lib.sh
. /payload/lib.sh
# shellcheck source=../dom0/torture.sh
. /payload/torture.sh
orders=(3 6 9)
deaths=${LAB_KILLS:-15}
cat > /tmp/main <<'MAIN'
. /lab/lib.sh
load 9p
for order in $(sed -n 's/.*lab.orders=\([^ ]*\).*/\1/p' /proc/cmdline | tr , ' '); do
    mount_share "order$order" /mnt none
    dd if=/dev/urandom of=/mnt/file bs=64k count=16 2>/dev/null
    /lab/torture reads /mnt/file > /tmp/reads &
    reads=$!
    until grep -qs '^torture:' /tmp/reads; do sleep 0.1; done
    xenstore-write data/lab "$order"
    xs wait 86400 data/dom0 "$order"
    kill -TERM $reads
    wait $reads; eq "reads on rings of order $order" $? 0
    echo "order=$order $(tail -n 1 /tmp/reads | cut -d ' ' -f 1-60)"
    umount /mnt
done
finish
MAIN

# Without a fork, which would take the CPU from those who are to come to life.
exec 9<> <(:)
pause() { read -rt "$1" -u 9; }
# find_worker NAME: the keeper's child of that name, in $found
find_worker() {
    local child name
    found=''
    for child in $(< "/proc/$keeper/task/$keeper/children"); do
        { read -r name < "/proc/$child/comm"; } 2>/dev/null || continue
        [ "$name" != "$1" ] || found=$child
    done
    [ -n "$found" ]
}
await_worker() { until find_worker "$1"; do pause 0.05; done; }

# kill_workers DEVID
kill_workers() {
    local i
    keeper=$("$lab/xen9pfsd" status | sed -n "s/^guest=$domid dev=$1 .*keeper=\([0-9]*\).*/\1/p")
    for ((i = 0; i < deaths; i++)); do
        pause 0.4
        [ ! "$standby" ] || await_worker xen9pfsd-stand
        await_worker xen9pfsd-share
        kill -KILL "$found"
    done
    pause 0.4
}

# measure NAME: one guest with a share for each order
measure() {
    local order shares=() i
    for order in "${orders[@]}"; do
        mkdir -p "$share/order$order"
        shares+=("$(p9 "order$order" "$share/order$order")")
    done
    ramdisk /tmp/guest.cpio /tmp/main /payload/torture
    guest_args="lab.orders=$(IFS=,; echo "${orders[*]}")" config "$1" /tmp/guest.cpio "${shares[@]}" > /tmp/guest.cfg
    create /tmp/guest.cfg -p
    for i in "${!orders[@]}"; do
        b=/local/domain/0/backend/9pfs/$domid/$i
        xs wait 30 "$b/state" 2 || die "share $i is not offered"
        xenstore-write "$b/max-ring-page-order" "${orders[i]}"
    done
    xl unpause "$1"
    for i in "${!orders[@]}"; do
        stage "${orders[i]}"
        kill_workers "$i"
        proceed "${orders[i]}"
    done
    finished "$domid"
    nothing_left "$domid"
    # of each order: the usual call, the pauses' median and maximum, the longest call besides
    tr -d '\r' < "/results/console-$domid.txt" | sed -n 's/^order=\([0-9]*\) mean=\([0-9.]*\) longest: /\1 \2 /p' |
        awk -v n="$deaths" '{ print $1, $2, $(2 + int((n + 1) / 2)), $3, $(3 + n) }' > "/results/pauses-$1.txt"
}

for standby in '' --standby; do
    # shellcheck disable=SC2086
    start_daemon --export "$share" $standby
    measure "guest$standby"
    stop_daemon
done
table() {
    echo "TABLE  order  standby  usual call  pause: median  longest  | longest other call (ms)"
    for standby in '' --standby; do
        while read -r order usual median longest other; do
            printf 'TABLE  %5s  %7s  %10s  %13s  %7s  | %s\n' "$order" "${standby:+yes}" "$usual" "$median" "$longest" "$other"
        done < "/results/pauses-guest$standby.txt"
    done
}
table | tee /results/pauses.txt
