#!/bin/bash
# demo.sh BUILD_DIR - a guest's day of work through the daemon, on a simulated bus: what
# "./dev demo" runs. Needs neither Xen nor root; works in a directory of its own, and removes it.
set -euo pipefail

build=$(cd "${1:?usage: demo.sh BUILD_DIR}" && pwd)
daemon=$build/xen9pfsd/xen9pfsd
simulator=$build/tools/xen9pfs-sim
work=$(mktemp -d "${TMPDIR:-/tmp}/xen9pfsd-demo.XXXXXX")
share=$work/share
log=$work/daemon.log
bus_pid='' daemon_pid='' failures=0
bold='' plain=''
if [ -t 1 ]; then
    bold=$'\e[1m' plain=$'\e[0m'
fi

clean_up() {
    # shellcheck disable=SC2086 # pids, or nothing
    kill $daemon_pid $bus_pid 2>/dev/null || true
    wait
    rm -rf "$work"
}

title() {
    printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

indent() {
    sed 's/^/  /'
}

# say WHAT COMMAND...: whether it is so.
say() {
    if "${@:2}"; then
        echo "  ok    $1"
    else
        echo "  FAIL  $1"
        failures=$((failures + 1))
    fi
}

# start_line PATTERN FILE PID: until the program has said that it runs.
start_line() {
    until grep -q "$1" "$2"; do
        kill -0 "$3" 2>/dev/null || { echo "demo: no start: $(cat "$2")" >&2; exit 1; }
        sleep 0.05
    done
}

sim() {
    "$simulator" --bus "sim:$work/bus" "$@"
}

# guest DOMID VERB...: gets a device for the share, mounts it, works, and loses it again.
guest() {
    sim --domid "$1" --path "$share" "${@:2}"
}

# The progress of the long steps is for terminals; to a file goes what went wrong alone.
day_of_work() {
    if [ -t 2 ]; then
        guest 1 day --lines
    else
        guest 1 day --lines 2>"$work/day.err" || { cat "$work/day.err"; return 1; }
    fi
}

figure() {
    sed -n "s/^$1=//p" "$work/day"
}

sum_of() {
    sha256sum | cut -d ' ' -f 1
}

nothing_in_use() {
    ! { sim --domid 1 usage; sim --domid 2 usage; } | grep -qE '^(mapped|bound)_.*=[1-9]'
}

nothing_in_store() {
    ! sim xs-ls /local/domain/0/backend 2>/dev/null | grep -q /state
}

no_share_process() {
    local launcher
    launcher=$(cat "/proc/$daemon_pid/task/$daemon_pid/children")
    launcher=${launcher%% *}
    [ -z "$(cat "/proc/$launcher/task/$launcher/children")" ]
}

daemon_ends_well() {
    local pid=$daemon_pid
    daemon_pid=''
    kill -INT "$pid" && wait "$pid"
}

trap clean_up EXIT
mkdir "$work/bus" "$share"
touch "$work/bus.out" "$log"

title "A Xen host in a directory: bus, daemon, and $share to export"
"$simulator" --bus "sim:$work/bus" bus >"$work/bus.out" 2>&1 &
bus_pid=$!
start_line 'is ready' "$work/bus.out" $bus_pid
"$daemon" --bus "sim:$work/bus" --export "$share" 2>"$log" &
daemon_pid=$!
start_line ': serving ' "$log" $daemon_pid
indent <"$log"

title "Guest 1 mounts it as Linux does (2 rings of order 9) and works a day"
day_status=0
day_of_work | tee "$work/day" | grep --line-buffered -v = | indent -u || day_status=$?

title "What the host sees"
(cd "$share" && ls -lRn --time-style=long-iso day) | grep -v -e ^total -e '^$' | indent || true
echo "  day/report:"
indent 2>&1 <"$share/day/report" | indent || true

title "Guest 2 sends 32 MiB of noise and reads them back"
head -c 32M /dev/urandom >"$work/noise"
guest 2 put "$work/noise" noise || touch "$share/noise"
there=$(sum_of <"$work/noise") host=$(sum_of <"$share/noise") back=$(guest 2 cat noise | sum_of)
echo "  written by the guest  $there"
echo "  computed on the host  $host"
echo "  read by the guest     $back"

title "The life of guest 1's device, as the daemon tells it"
sed -n 's/^xen9pfsd: guest 1 dev 0: /  /p' "$log"

title "Summary"
say "$(figure steps) steps of work, $(figure failed) failed, $(figure skipped) skipped" \
    [ "$day_status" = 0 ]
say "64 MiB written at $(figure write_mib_s) MiB/s, read at $(figure read_mib_s) MiB/s" \
    [ "$(figure failed)" = 0 ]
say "the three checksums are the same" [ "$there/$there" = "$host/$back" ]
say "no page, no event channel of a guest is in use" nothing_in_use
say "no node of a device is left in the store" nothing_in_store
say "no process of a share is left" no_share_process
say "the daemon ends when it is told to" daemon_ends_well
[ $failures = 0 ]
