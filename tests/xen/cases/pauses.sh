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
    xenstore-write data/lab "$order"
    xs wait 86400 data/dom0 "$order"
    /lab/torture reads /mnt > /tmp/reads
    eq "reads on rings of order $order" $? 0
    echo "order=$order $(tail -n 1 /tmp/reads | cut -d ' ' -f 1-60)"
    umount /mnt
done
finish
MAIN

# While the guest reads, nothing is forked here: the CPU is to be with those who come to life.
exec 9<> <(:)
pause() { read -rt "$1" -u 9; }
# find_worker KEEPER NAME: its child of that name, in $found
find_worker() {
    local children child name
    found=''
    read -ra children < "/proc/$1/task/$1/children"
    for child in "${children[@]}"; do
        { read -r name < "/proc/$child/comm"; } 2>/dev/null || continue
        [ "$name" != "$2" ] || found=$child
    done
    [ -n "$found" ]
}
await_worker() { until find_worker "$@"; do pause 0.05; done; }

# kill_workers KEEPER DIR
kill_workers() {
    local i
    until [ -e "$2/begun" ]; do pause 0.05; done
    for ((i = 0; i < deaths; i++)); do
        pause 0.4
        [ ! "$standby" ] || await_worker "$1" xen9pfsd-stand
        await_worker "$1" xen9pfsd-share
        kill -KILL "$found"
    done
    pause 0.4
    : > "$2/end"
}

# measure NAME: one guest with a share for each order
measure() {
    local order shares=() i keeper
    rm -rf "$share"/order*
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
        keeper=$("$lab/xen9pfsd" status | sed -n "s/^guest=$domid dev=$i .*keeper=\([0-9]*\).*/\1/p")
        proceed "${orders[i]}"
        kill_workers "$keeper" "$share/order${orders[i]}"
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
