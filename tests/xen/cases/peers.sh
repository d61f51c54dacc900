# shellcheck shell=bash
# DESC: figures, as JSON: this daemon and then QEMU's backend, or the other way round, the same guests and files
#
# Two guests with three shares each: of a file system in memory, and of two whose every access takes 1
# and 4 ms. They boot for one server, and then for the other; all rounds of LAB_ROUNDS, which has their
# numbers ("0 1 2"), are measured in between. If the first number is odd, QEMU is first. Time is what the
# emulated machine counts, by its instructions: what is compared is comparable, and no figure is one of a
# real machine.
# shellcheck source=../dom0/lib.sh
. /payload/lib.sh
ms=150                                  # of each measurement
cat > /tmp/main <<'MAIN'
. /lab/lib.sh
load 9p
for tag in memory slow1 slow4; do mount_share $tag /mnt/$tag none; done
obey
for tag in memory slow1 slow4; do t umount umount /mnt/$tag; done
finish
MAIN

# slow_disk NAME NANOSECONDS: at $share/NAME, every access takes so long, any number at once
slow_disk() {
    local d=/sys/kernel/config/nullb/$1 setting
    mkdir "$d"
    for setting in size=96 memory_backed=1 irqmode=2 completion_nsec="$2" hw_queue_depth=256 power=1; do
        echo "${setting#*=}" > "$d/${setting%%=*}" || die "a disk that is slow: $setting"
    done
    mke2fs -q -t ext4 -b 4096 -O ^has_journal -m 0 "/dev/$1" || die "a file system on it"
    mkdir "$share/$1"
    mount -t ext4 "/dev/$1" "$share/$1" || die "cannot mount it"
}
while read -r m; do
    case $m in null_blk*) insmod "/lab/mod/$m" nr_devices=0 ;; *) insmod "/lab/mod/$m" 2>/dev/null ;; esac
done < /lab/mod/slow.order
mount -t configfs configfs /sys/kernel/config || die "no configfs"
mkdir "$share/memory"
slow_disk slow1 1000000
slow_disk slow4 4000000
for tag in memory slow1 slow4; do
    dd if=/dev/urandom of="$share/$tag/file" bs=1M count=32 2>/dev/null
done
sync

# sample ROW DEPTH STORAGE GUESTS OPS-PER-SECOND [BYTES-OF-ONE]
sample() {
    local figure="\"ops_s\": $5"
    [ $# = 5 ] || figure=$(awk -v ops="$5" -v size="$6" 'BEGIN { printf "\"mib_s\": %.2f", ops * size / 1048576 }')
    echo "TABLE  {\"row\": \"$1\", \"depth\": $2, \"target\": \"$target\", \"storage\": \"$3\", \"guests\": $4, \"round\": $round, $figure}"
}
# load DOMID TAG KIND DEPTH [KIND DEPTH...]: operations in a second, a line for each load
load() {
    local domid=$1 tag=$2 order='' path said
    shift 2
    while [ $# -gt 0 ]; do
        path=/mnt/$tag/file
        [ "$1" != meta ] || path=/mnt/$tag
        order+="${order:+ && }/lab/load $1 $2 $ms $path"
        shift 2
    done
    said=$(in_guest "$domid" "$order") || { bad "$order, on $target: $said"; return 1; }
    awk '{ print $NF }' <<< "$said"
}
# fresh TAG: what is slow there is not in memory; $storage is what samples call it
fresh() {
    storage=memory
    [ "$1" != memory ] || return 0
    storage="${1#slow} ms"
    echo 3 > /proc/sys/vm/drop_caches
}
# slow ROW KIND DEPTH TAG: in the first guest
slow() {
    local ops storage
    fresh "$4"
    ops=$(load "${guests[0]}" "$4" "$2" "$3") && sample "$1" "$3" "$storage" 1 "$ops"
}
# in_memory ROW,KIND,DEPTH[,BYTES]...: in the first guest, one after the other by one order, because each
# takes a while
in_memory() {
    local loads=() all ops one row kind depth size i=0
    for one in "$@"; do
        IFS=, read -r row kind depth size <<< "$one"
        loads+=("$kind" "$depth")
    done
    all=$(load "${guests[0]}" memory "${loads[@]}") || return
    mapfile -t ops <<< "$all"
    for one in "$@"; do
        IFS=, read -r row kind depth size <<< "$one"
        sample "$row" "$depth" memory 1 "${ops[i++]}" ${size:+"$size"}
    done
}
# directly ROW KIND DEPTH TAG: in dom0, without guest and server: the limit
directly() {
    local said storage target="xen directly"
    fresh "$4"
    said=$(/payload/load "$2" "$3" $ms "$share/$4/file") || { bad "load $2 in dom0: $said"; return; }
    sample "$1" "$3" "$storage" 1 "${said##* }"
}
# both ROW KIND DEPTH TAG: in both, at the same time
both() {
    local a b
    load "${guests[1]}" "$4" "$2" "$3" > /tmp/other &
    a=$(load "${guests[0]}" "$4" "$2" "$3")
    wait $!
    read -r b < /tmp/other
    [ -n "$b" ] || bad "$2 in both guests on $target"
    [ -z "$a" ] || [ -z "$b" ] || sample "$1" "$3" memory 2 "$(awk -v a="$a" -v b="$b" 'BEGIN { print a + b }')"
}
measure() {
    local depth loads=()
    for depth in 1 8 32; do
        loads+=("read4k,read,$depth" "write4k,write,$depth" "create + stat + unlink,meta,$depth")
    done
    for depth in 1 4; do
        loads+=("sequential read,seqread,$depth,131072" "sequential write,seqwrite,$depth,131072")
    done
    in_memory "${loads[@]}"
    for depth in 1 8 32; do
        slow read4k read $depth slow1
        slow read4k read $depth slow4
    done
    both read4k read 8 memory
    both read4k read 32 memory
}
limits() {
    local depth
    for depth in 1 8 32; do
        directly read4k read $depth memory
        directly read4k read $depth slow1
        directly read4k read $depth slow4
    done
}
# turn TARGET: the two guests, from their creation to their end
turn() {
    local n round
    target=$1 guests=()
    for n in 1 2; do
        config "guest$n" /tmp/guest.cpio "$(p9 memory "$share/memory")" "$(p9 slow1 "$share/slow1")" \
            "$(p9 slow4 "$share/slow4")" > "/tmp/guest$n.cfg"
        create "/tmp/guest$n.cfg"
        guests+=("$domid")
    done
    for n in "${guests[@]}"; do xs wait 300 "/local/domain/$n/data/idle" yes || die "domain $n does not get ready"; done
    for round in $rounds; do measure; done
    for n in "${guests[@]}"; do in_guest "$n" stop; finished "$n"; done
    nothing_left "${guests[@]}"
}
ours() {
    start_daemon
    turn "xen xen9pfsd"
    stop_daemon
}
ramdisk /tmp/guest.cpio /tmp/main /payload/load
guest_mem=160
rounds=${LAB_ROUNDS:-0 1 2}
round=${rounds%% *}
limits
if [ $((round % 2)) = 0 ]; then ours; turn "xen qemu"; else turn "xen qemu"; ours; fi
