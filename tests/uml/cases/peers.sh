# shellcheck shell=bash
# DESC: figures: xen9pfs-serve and diod by turns: fio, dbench, tar, git
# RUNS: passthrough:root
# FIGURES: yes
# NEEDS: diod fio dbench git
# What goes to descriptor 3 is a figure: a JSON object in a line. share, address, port and peer_port are
# `machine`'s.
#
# Each measurement has a mount of its own, so that the guest knows nothing of what was there before, and
# a directory of its own, so that nothing has to be removed.
# shellcheck disable=SC2154

targets=(xen9pfs-serve diod)
# The most that diod 1.0 grants
msize=65536
mounted=/mnt/share
# fio runs in each measurement so long; dbench for $seconds.
short_time=$(((seconds + 2) / 3))

bad() {
    echo "FAILED: $row on $target, round $round: $*"
    exit 1
}
# figure KEY VALUE
figure() {
    [ "$target" != none ] || return 0
    [[ $2 =~ ^[0-9]+(\.[0-9]+)?$ && $2 =~ [1-9] ]] || bad "'$2' is no figure"
    echo "{\"row\": \"$row\", \"depth\": $depth, \"target\": \"uml $target\", \"round\": $round, \"$1\": $2}" >&3
}
# run COMMAND...: what it says stays in /tmp/said
run() {
    local rc=0
    "$@" > /tmp/said 2>&1 || rc=$?
    [ $rc = 0 ] || bad "$1 ends with status $rc: $(tail -n 3 /tmp/said | cut -c 1-300)"
}
# seconds_of FUNCTION: how long it takes, as a figure
seconds_of() {
    local start=${EPOCHREALTIME/./} us
    run "$1"
    us=$((${EPOCHREALTIME/./} - start))
    figure seconds "$((us / 1000000)).$(printf %06d $((us % 1000000)))"
}
# What has come from the server, or gone to it: it was asked for all that a program had of it.
carried() { cat "/sys/class/net/vec0/statistics/$1_bytes"; }

# fio_row KIND BLOCK FIGURE: on the file that is there
fio_row() {
    local kind=$1 block=$2 way=rx first=6 before got kib
    [[ $kind == *read ]] || { way=tx; first=47; }       # where its terse line tells of this direction
    before=$(carried $way)
    run fio --minimal --name=peers --filename="$PWD/data" --size="${size}M" --rw="$kind" --bs="$block" \
        --ioengine=psync --thread --numjobs="$depth" --group_reporting --time_based --runtime="$short_time" \
        --fallocate=none --invalidate=0
    IFS=';' read -ra got < <(grep '^3;' /tmp/said)
    [ "${got[4]:-1}" = 0 ] || bad "fio says error ${got[4]:-?}: $(tail -n 1 /tmp/said | cut -c 1-300)"
    kib=${got[first - 1]}
    [ "$target" = none ] || [ $(($(carried $way) - before)) -ge $((kib * 1024)) ] ||
        bad "the guest itself had some of the $kib KiB"
    if [ "$3" = ops_s ]; then
        figure ops_s "${got[first + 1]}"
    else
        figure mib_s "$(awk -v kib="${got[first]}" 'BEGIN { printf "%.2f", kib / 1024 }')"
    fi
}
dbench_row() {
    local complaints
    run dbench -t "$seconds" -D "$PWD" -c /usr/share/dbench/client.txt "$depth"
    # Not all that fails is in its status; that UML has no semaphores does not matter.
    complaints=$(grep -m 1 -E '^\[[0-9]+\]|ERROR|FAILED|Child failed' /tmp/said)
    [ -z "$complaints" ] || bad "dbench says $complaints"
    # its megabyte has 1,000,000 bytes
    figure mib_s "$(awk '/^Throughput/ { printf "%.2f", $2 * 1e6 / 1048576 }' /tmp/said)"
}
unpack() { tar -xpf "$payload/tree.tar"; }
repository() {
    git init -q one && cd one &&
        tar -xpf "$payload/tree.tar" include/linux/netfilter include/linux/usb &&
        git add -A && git commit -qm one && git status --porcelain > /tmp/status && [ ! -s /tmp/status ] &&
        git clone -q --no-hardlinks . ../two && [ "$(git -C ../two rev-parse HEAD)" = "$(git rev-parse HEAD)" ]
}
git config --global user.name Tester
git config --global user.email tester@example.org
git config --global init.defaultBranch main
git config --global gc.auto 0
git config --global maintenance.auto false

# ROW|DEPTH|COMMAND...
measurements=(
    "fio read4k|1|fio_row randread 4k ops_s"
    "fio read4k|8|fio_row randread 4k ops_s"
    "fio write4k|1|fio_row randwrite 4k ops_s"
    "fio write4k|8|fio_row randwrite 4k ops_s"
    "fio seqread|1|fio_row read 128k mib_s"
    "fio seqwrite|1|fio_row write 128k mib_s"
    "dbench|4|dbench_row"
    "untar|1|seconds_of unpack"
    "git|1|seconds_of repository"
)
# measure MEASUREMENT: in the directory that is there
measure() {
    local command
    IFS='|' read -r row depth command <<< "$1"
    echo "== $row, depth $depth, on $target"
    # shellcheck disable=SC2086
    ( $command ) || exit 1
}
# mount_of TARGET: what the server grants is what is asked
mount_of() {
    local options="trans=tcp,version=9p2000.L,msize=$msize,cache=$cache,uname=root,aname=$share/$1"
    if [ "$1" = diod ]; then options+=",port=$peer_port"; else options+=",port=$port"; fi
    run mount -t 9p -o "$options${mount:+,$mount}" "$address" $mounted
    grep " $mounted 9p " /proc/mounts | grep -q "[ ,]msize=${msize}[ ,]" ||
        bad "it grants $(grep " $mounted 9p " /proc/mounts | grep -o 'msize=[0-9]*'), not $msize"
}

# All programs once where no server is: what they are made of comes from the host, and stays.
size=16 row=preparing depth=0 round=0 target=none
head -c "${size}M" /dev/urandom > /tmp/data
(
    mkdir /tmp/warm && cd /tmp/warm && cp /tmp/data . || exit 1
    seconds=1 short_time=1
    for m in "${measurements[@]}"; do measure "$m"; done
) || exit 1
rm -rf /tmp/warm
for target in "${targets[@]}"; do
    mount_of "$target"
    run cp /tmp/data $mounted/data
    run umount $mounted
done

for ((round = 0; round < rounds; round++)); do
    for m in "${measurements[@]}"; do
        for ((i = 0; i < 2; i++)); do
            target=${targets[(i + round) % 2]}
            mount_of "$target"
            directory=$mounted
            if [[ $m != fio* ]]; then
                directory+=/${m%%|*}-$round
                run mkdir "$directory"
            fi
            cd "$directory" || bad "no directory"
            measure "$m"
            cd /
            run umount $mounted
        done
    done
done
