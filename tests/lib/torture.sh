# shellcheck shell=bash
# torture.sh - guests that torture the daemon (xen9pfs-sim torture), for scripts that source bus.sh.
#
# A guest works in a directory of its own in $share, and judges every answer. TORTURE has options
# for all of them, as "--seed 7 --workers 2".
# shellcheck disable=SC2154 # variables of bus.sh

tortures=() # names of the guests that run; their pids:
declare -A torture_pid

# torture NAME OPTION... -- TORTURE-OPTION...: a guest in the background.
torture() {
    local name=$1 options=()
    shift
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    # shellcheck disable=SC2086 # several words
    background "$name.out" "$simulator" --bus "sim:$bus" "${options[@]}" torture ${TORTURE:-} "$@"
    tortures+=("$name")
    torture_pid[$name]=$pid
    await "guest $name works" torture_works "$name"
    grep -q '^torture: seed' "$work/$name.out" || fail "guest $name: $(cat "$work/$name.out")"
}

torture_works() {
    grep -q '^torture: seed' "$work/$1.out" || ended "${torture_pid[$1]}"
}

# torture_many COUNT TORTURE-OPTION...: guests 1 to COUNT share $share and fight for a lock in it.
torture_many() {
    local count=$1 domid
    shift
    for ((domid = 1; domid <= count; domid++)); do
        torture "guest-$domid" --domid $domid --path "$share" -- --common common "$@"
    done
}

# One of the guests has ended, which before it was told to means that it found something.
one_has_ended() {
    local name
    for name in "${tortures[@]}"; do
        ! ended "${torture_pid[$name]}" || return 0
    done
    return 1
}

# All are told to end, look at everything for the last time, and found nothing.
torture_ends() {
    local name bad=0
    for name in "${tortures[@]}"; do
        kill -TERM "${torture_pid[$name]}" 2>/dev/null || true
    done
    for name in "${tortures[@]}"; do
        finish "${torture_pid[$name]}" && grep -q ' errors=0$' "$work/$name.out" || bad=1
    done
    [ $bad = 0 ] || fail "torture: $(cd "$work" && grep -H . "${tortures[@]/%/.out}" | grep -v '^ ')"
    lock_was_held_as_often_as_counted
    for name in "${tortures[@]}"; do
        grep '^seed=' "$work/$name.out" | sed "s/^/    $name: /"
    done
    tortures=()
}

# torture_done: guests with --ops end by themselves.
torture_done() {
    local name
    for name in "${tortures[@]}"; do
        await "guest $name ends" ended "${torture_pid[$name]}"
    done
    torture_ends
}

# Who had the lock counted in a file; nothing may be lost or doubled there.
lock_was_held_as_often_as_counted() {
    local held=0 counted more
    [ -e "$share/common/counter" ] || return 0
    for more in $(sed -n 's/.* held=\([0-9]*\) .*/\1/p' "$work"/guest-*.out); do
        held=$((held + more))
    done
    counted=$(od -An -tu8 -N8 "$share/common/counter" | tr -d ' ')
    [ "${counted:-0}" = "$held" ] ||
        fail "the lock was held $held times, and counted were $counted"
}
