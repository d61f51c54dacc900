# shellcheck shell=bash
# bus.sh - what the scripts in tests/sim and tests/proc share: a simulated bus, the daemon and
# guests on it, for each test anew and in a directory of its own.
#
# A script defines functions test_FACT, sources this file and ends with: run_tests "$@". Without
# arguments it runs all its tests, else those whose names contain one of them. Exit status:
# 0 all passed, 1 a failure, 77 when every selected test was skipped. BUILD_DIR tells where the
# programs are (build/ of the checkout); KEEP=1 keeps a failed test's directory.
#
# In a test: $work is its directory, $share an empty directory to export, $log what the daemon
# said. A test that ends well has stopped the daemon in good order (or does it at its end), left
# no process, and no report of a sanitizer. Nothing is decided by how long it takes: waiting has
# a guard against hanging only.
# shellcheck disable=SC2034 # the variables are for those who source this
set -Eeuo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source-path=SCRIPTDIR source=surroundings.sh
. "$top/tests/lib/surroundings.sh"
build=$(cd "${BUILD_DIR:-${top_builddir:-$top/build}}" && pwd)
daemon=$build/xen9pfsd/xen9pfsd
simulator=$build/tools/xen9pfs-sim
serve=$build/tools/xen9pfs-serve
kernel=$build/tests/sim/guest_kernel
guard=${GUARD:-120} # s
ulimit -c 0

# Of the running test:
work='' bus='' share='' log='' pid='' service='' daemon_pid='' started=() elsewhere=()

# ---- telling ----

# fail TEXT...: ends the test.
fail() {
    echo "    $*"
    exit 1
}

# skip WHY...: ends the test, without a verdict.
skip() {
    echo "    skipped: $*"
    exit 77
}

need_root() {
    [ "$(id -u)" = 0 ] || skip "needs root: $*"
}

# ---- where the share is ----

# share_on disk|tmpfs [KIB]: $share becomes an empty directory there, with room for so much.
share_on() {
    local parent=$build
    [ "$1" = disk ] || parent=/dev/shm
    if [ "$1" = tmpfs ] && [ "$(stat -f -c %T "$parent" 2>/dev/null)" != tmpfs ]; then
        skip "/dev/shm is no tmpfs"
    fi
    [ "$(df --output=avail "$parent" | tail -n 1)" -ge "${2:-0}" ] || skip "$parent is too small"
    share=$(mktemp -d "$parent/xen9pfsd.XXXXXX")
    elsewhere+=("$share")
}

# ---- waiting ----

# await WHAT COMMAND...: until the command succeeds. The time is the kernel's: somebody may set the
# clock meanwhile.
await() {
    local what=$1 now end
    shift
    read -r now _ </proc/uptime
    end=$((${now%.*} + guard))
    until "$@"; do
        read -r now _ </proc/uptime
        [ "${now%.*}" -lt "$end" ] || fail "waited $guard s in vain: $what"
        sleep 0.02
    done
}

ended() {
    ! kill -0 "$1" 2>/dev/null
}

# finish PID: the exit status of a process of ours, once it has ended.
finish() {
    await "process $1 ends" ended "$1"
    wait "$1"
}

# kill_hard PID: a process of ours, at once and without a word.
kill_hard() {
    {
        kill -KILL "$1"
        wait "$1"
    } 2>/dev/null || true
}

# background NAME COMMAND...: its output goes to $work/NAME; its pid is in $pid.
background() {
    local name=$1
    shift
    : >"$work/$name"
    "$@" >"$work/$name" 2>&1 </dev/null &
    pid=$!
    started+=("$pid")
}

# ---- the bus, the toolstack, guests ----

# kernel DOMID VERB...: see tests/sim/guest_kernel.c.
kernel() {
    timeout -k 10 "$guard" "$kernel" "$bus" "$@"
}

# One verb of xen9pfs-sim on the bus.
sim() {
    timeout -k 10 "$guard" "$simulator" --bus "sim:$bus" "$@"
}

bus_start() {
    background bus.out "$simulator" --bus "sim:$bus" bus
    await "the bus is ready" grep -q "is ready" "$work/bus.out"
}

# visit DOMID [OPTION...] VERB...: a guest gets a device for $share, mounts it, does one thing,
# and the device is removed again.
visit() {
    local domid=$1
    shift
    sim --domid "$domid" --path "$share" "$@"
}

# hold NAME OPTION...: a guest that has mounted its share and stays; its pid is in $pid.
hold() {
    local name=$1
    shift
    background "$name" "$simulator" --bus "sim:$bus" "$@" hold
    await "a guest mounts ($*)" holds_or_ended "$name" "$pid"
    grep -q connected "$work/$name" || fail "the guest cannot mount: $(cat "$work/$name")"
}

holds_or_ended() {
    grep -q connected "$work/$1" || ended "$2"
}

# load NAME OPTION... -- LOAD-OPTION...: verified load in the background; its pid is in $pid. One
# that is to last as long as the test wants is given -s 3600 and ended by load_end.
load() {
    local name=$1 options=()
    shift
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    background "$name" "$simulator" --bus "sim:$bus" "${options[@]}" load "$@"
}

# load_end NAME PID: ends it; there was no error.
load_end() {
    ! ended "$2" || fail "the load has ended by itself: $(cat "$work/$1")"
    kill -TERM "$2"
    load_is_good "$1" "$2"
}

# load_is_good NAME PID: it ended without an error.
load_is_good() {
    finish "$2" || fail "load: $(cat "$work/$1")"
    grep -q ' errors=0$' "$work/$1" || fail "load: $(cat "$work/$1")"
}

back_dir() { # DOMID [KIND [DEVID]]
    echo "/local/domain/0/backend/${2:-9pfs}/$1/${3:-0}"
}

front_dir() { # DOMID [DEVID]
    echo "/local/domain/$1/device/9pfs/${2:-0}"
}

node() {
    sim xs-read "$1" 2>/dev/null || echo none
}

back_state() {
    node "$(back_dir "$@")/state"
}

front_state() {
    node "$(front_dir "$@")/state"
}

back_is() { # STATES DOMID [KIND [DEVID]]
    [[ "$1" == *"$(back_state "${@:2}")"* ]]
}

# await_back STATES DOMID [KIND [DEVID]]: until the backend's state is one of a list.
await_back() {
    await "guest $2: backend in state $1" back_is "$@"
}

# Everything below the backend's directories, as the store has it.
back_nodes() {
    sim xs-ls "/local/domain/${1:-0}/backend" 2>/dev/null || true
}

set_front_state() { # DOMID STATE
    sim xs-write "$(front_dir "$1")/state" "$2"
}

usage_is_zero() { # DOMID
    local usage
    usage=$(sim --domid "$1" usage)
    ! grep -qE '^(mapped_pages|bound_ports)=[1-9]' <<<"$usage"
}

# nothing_left DOMID [BACKEND]: no share's process, no page, no port, no backend node.
nothing_left() {
    await "the shares' processes are gone" no_shares
    await "guest $1: nothing of it is in use" usage_is_zero "$1"
    ! back_nodes "${2:-0}" | grep -q "/$1/" || fail "stale nodes: $(back_nodes "${2:-0}")"
}

# ---- the daemon ----

daemon_wrapper=() # a program in front of it

# daemon_start [OPTION...]: on the test's bus, with $share as export unless options are given.
daemon_start() {
    [ $# -gt 0 ] || set -- --export "$share"
    daemon_begin --bus "sim:$bus" "$@"
    await "the daemon serves" serves_or_ended
    grep -q '^xen9pfsd: serving ' "$log" || fail "the daemon does not start"
}

# launcher_start [OPTION...]: one that is nobody's child, as under its own unit; its pid is in
# $service. Exports as with daemon_start.
launcher_start() {
    [ $# -gt 0 ] || set -- --export "$share"
    # That of one that was killed says nothing.
    rm -f "$bus/xen9pfsd/launcher.sock"
    background launcher.out "$daemon" --bus "sim:$bus" "$@" launcher
    service=$pid
    await "the launcher listens" listens_or_ended
    ! ended "$service" || fail "$(cat "$work/launcher.out")"
}

listens_or_ended() {
    ended "$service" || [ -S "$bus/xen9pfsd/launcher.sock" ]
}

daemon_begin() {
    "${daemon_wrapper[@]}" "$daemon" "$@" 2>>"$log" >&2 </dev/null &
    daemon_pid=$!
}

serves_or_ended() {
    grep -q '^xen9pfsd: serving ' "$log" || ended "$daemon_pid"
}

# It has to end in good order, and all shares with it.
daemon_stop() {
    daemon_end INT
    [ -z "$(share_processes)" ] || fail "processes outlive the daemon: $(share_processes)"
}

# It has to end in good order, and leaves the guests to the next one.
daemon_leave() {
    daemon_end TERM
}

daemon_end() { # SIGNAL
    local status=0
    kill "-$1" "$daemon_pid"
    finish "$daemon_pid" || status=$?
    daemon_pid=
    [ $status = 0 ] || fail "the daemon's exit status is $status"
}

# daemon_again [OPTION...]: another one on the same bus; its log begins anew.
daemon_again() {
    cat "$log" >>"$work/earlier.log"
    : >"$log"
    daemon_start "$@"
}

# verb VERB...: of the daemon on the test's bus.
verb() {
    timeout -k 10 "$guard" "$daemon" --bus "sim:$bus" "$@"
}

# The daemon will be somebody else's, who may reach nothing but the test's directory.
as_ordinary_user() {
    [ "$(id -u)" = 0 ] || skip "all tests are an ordinary user's"
    command -v setpriv >/dev/null || skip "there is no setpriv"
    chmod 711 "$work"
    chown 1234:1234 "$share"
    chmod 777 "$bus" "$bus"/*
    install -m 755 "$daemon" "$work/xen9pfsd"
    daemon=$work/xen9pfsd
    daemon_wrapper=(setpriv --reuid=1234 --regid=1234 --clear-groups)
}

daemon_lives() {
    ! ended "$daemon_pid" || fail "the daemon has died"
}

# All processes of shares on the test's bus, whoever their parent is: they have their arena as
# descriptor 5.
share_processes() {
    find /proc/[0-9]*/fd/5 -lname "$bus/xen9pfsd*.arena*" 2>/dev/null | cut -d / -f 3 || true
}

# Those that lead their share's processes.
keepers() {
    local process
    for process in $(share_processes); do
        [ "$(group_of "$process")" != "$process" ] || echo "$process"
    done
}

# The others, standbys among them.
workers() {
    local process
    for process in $(share_processes); do
        [ "$(group_of "$process")" = "$process" ] || echo "$process"
    done
}

group_of() {
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 3
}

children_of() {
    tr ' ' '\n' <"/proc/$1/task/$1/children" 2>/dev/null | grep . || true
}

# The daemon's child that starts keepers.
launcher() {
    [ -z "$daemon_pid" ] || children_of "$daemon_pid"
}

# The keepers, and whatever child of the launcher there is, zombies among them.
shares() {
    local launcher
    {
        keepers
        for launcher in $(launcher); do
            children_of "$launcher"
        done
    } | sort -u
}

daemon_fds() {
    find "/proc/$daemon_pid/fd" -type l | wc -l
}

no_shares() {
    [ -z "$(shares)" ]
}

share_count() {
    shares | wc -w
}

logged() {
    grep -q -- "$1" "$log"
}

# await_log PATTERN
await_log() {
    await "a log line like \"$1\"" logged "$1"
}

log_count() {
    grep -c -- "$1" "$log" || true
}

# Built with a sanitizer: memory and signals behave otherwise then.
sanitized() {
    grep -qaE '__(asan|tsan)_init' "$daemon"
}

check_reports() {
    local report='ERROR: (Address|Leak)Sanitizer|runtime error:|WARNING: ThreadSanitizer'
    ! grep -qE "$report" "$log" "$work"/*.out || {
        grep -hE -m 1 -A 20 "$report" "$log" "$work"/*.out | sed 's/^/    | /'
        fail "a sanitizer has something to say"
    }
}

# ---- running tests ----

# Ends what the test started and is still there, by its pid.
clean_up() {
    local status=$? left
    trap - ERR
    set +e
    exec 2>/dev/null
    left="$(shares) $(share_processes)"
    if [ $status != 0 ] && [ $status != 77 ] && [ -s "$log" ]; then
        echo "    the daemon's last warnings, but for deaths:"
        grep -E 'warning|error' "$log" | grep -v 'was killed by signal 9' | tail -n 5 |
            cut -c 1-300 | sed 's/^/    | /'
        echo "    the daemon's last lines:"
        tail -n 25 "$log" | cut -c 1-300 | sed 's/^/    | /'
    fi
    # timeout(1) hands SIGTERM on to what it runs.
    kill -TERM "${started[@]:1}"
    [ ${#started[@]} -le 1 ] || sleep 0.1
    # shellcheck disable=SC2086 # a list of pids
    kill -KILL $daemon_pid $left "${started[@]}"
    wait
    if [ "${KEEP:-}" = 1 ] && [ $status != 0 ]; then
        echo "    kept: $work"
    else
        rm -rf "$work" "${elsewhere[@]}"
    fi
    exit $status
}

run_test() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/xen9pfsd.XXXXXX")
    share=$work/share log=$work/daemon.log
    started=() elsewhere=() daemon_pid=
    # Sessions stand there: in memory, as on a real host.
    bus=$(mktemp -d /dev/shm/xen9pfsd.XXXXXX 2>/dev/null) || bus=$(mktemp -d "$work/bus.XXXXXX")
    elsewhere+=("$bus")
    mkdir "$share"
    : >"$log"
    trap clean_up EXIT
    trap 'echo "    $(basename "${BASH_SOURCE[0]}"):$LINENO: $BASH_COMMAND"' ERR
    bus_start
    "test_$1"
    [ -z "$daemon_pid" ] || daemon_stop
    check_reports
}

selected() { # NAME PATTERN...
    local name=$1
    shift
    [ $# = 0 ] && return 0
    for pattern in "$@"; do
        [[ $name != *"$pattern"* ]] || return 0
    done
    return 1
}

run_tests() {
    local names name status passed=0 skipped=0 failed=0
    for program in "$daemon" "$simulator"; do
        [ -x "$program" ] || { echo "$program is not built"; exit 1; }
    done
    mapfile -t names < <(sed -n 's/^test_\([a-z0-9_]*\)() {$/\1/p' "$0")
    for name in "${names[@]}"; do
        selected "$name" "$@" || continue
        set +e
        (set -e; run_test "$name") </dev/null
        status=$?
        set -e
        case $status in
        0) passed=$((passed + 1)); echo "ok    $name" ;;
        77) skipped=$((skipped + 1)); echo "skip  $name" ;;
        *) failed=$((failed + 1)); echo "FAIL  $name" ;;
        esac
    done
    echo "$(basename "$0"): $passed passed, $skipped skipped, $failed failed"
    [ $failed = 0 ] || exit 1
    [ $passed -gt 0 ] || [ $skipped = 0 ] || exit 77
}
