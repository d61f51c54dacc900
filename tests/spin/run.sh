#!/bin/bash
# The models of a request whose process is killed (requests.pml), of indices and events (rings.pml)
# and of a device that connects and closes (handshake.pml) hold in all their states, and each mistake
# that can be built into them is found. Needs spin and a C compiler; some minutes.
set -euo pipefail
models=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
model=$models/requests.pml
code='' # that the model calls
command -v spin >/dev/null || {
    echo "skipped: spin is not here"
    exit 77
}
work=$(mktemp -d "${TMPDIR:-/tmp}/spin.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

die() {
    echo "FAIL $*"
    cat out
    exit 1
}

# search "SPIN-OPTION..." "CC-OPTION..." "PAN-OPTION...": the verdict is in `out`.
search() {
    # shellcheck disable=SC2086
    {
        spin -a $1 "$model" && ${CC:-gcc} -w -O2 -DCOLLAPSE $2 -o pan pan.c $code &&
            ./pan -m100000 $3
    } >out 2>&1 || die "$*"
}

# holds WHAT: the search was complete and found nothing.
holds() {
    grep -q 'errors: 0$' out && ! grep -q 'error:\|not completed' out || die "$1"
    echo "ok   $1: $(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' out) states"
}

# mistake NAME [SPIN-OPTION]: it is found, by one of the model's assertions.
mistake() {
    search "${2:-} -D$1" -DSAFETY -w22
    grep -q 'assertion violated' out || die "$1 is not found"
    echo "ok   $1 is found: $(sed -n 's/.*assertion violated *\(.*\) (at depth.*/\1/p' out)"
}

for name in NO_INTENT NO_RETAKE SHARED_FIRST REDO_LAST NO_RESUME FLUSH_APART FLUSH_LATE \
    ANY_ORDER PLACED_IS_PUTTING PLACED_LATE; do
    mistake $name -DCRASHES=1
done
for name in KEPT_SHOWN KEPT_LAST KEPT_SHORT; do
    mistake $name '-DCRASHES=1 -DKEPT'
done
search -DCRASHES=1 -DNP '-l -w22'
holds 'one kill, nothing goes in circles'
search '-DCRASHES=1 -DKEPT' -DNP '-l -w22'
holds 'a large write, one kill, nothing goes in circles'
search '-DCRASHES=2 -DKEPT' -DSAFETY -w22
holds 'a large write, two kills'
search -DCRASHES=3 -DSAFETY -w24
holds 'three kills'

model=$models/rings.pml
for name in NO_UNMASK NO_TIMER LOOK_FIRST NO_TAKE_EVENT OWN_ONLY NO_DRAIN NO_HOLD \
    IN_PARTS NO_ROOM; do
    mistake $name
done
search '' -DSAFETY -w22
holds 'two rings'
search -DOUT_SIZE=2 -DSAFETY -w22
holds 'two rings, room for two requests'

# What is called is what the daemon calls.
model=$models/handshake.pml
code="-I$models/../.. $models/../../xenbus/handshake.c"
for name in NO_STOP OVERWRITE SAME_DEVICE STAYS_REMOVED; do
    mistake $name '-DCRASHES=0 -DMOVES=1 -DREMOVALS=1'
done
for name in LOOK_FIRST FOUR_STAYS NO_CALL BLIND_CALL BLIND_RESTORE \
    LEFT_STARTING; do
    mistake $name '-DCRASHES=1 -DMOVES=1 -DREMOVALS=0'
done
mistake CLOSED_STAYS '-DCRASHES=1 -DMOVES=2 -DREMOVALS=0'
mistake NOT_AGAIN '-DCRASHES=2 -DMOVES=1 -DREMOVALS=0'
search '-DCRASHES=0 -DMOVES=1 -DREMOVALS=1' -DSAFETY -w24
holds 'a guest and a toolstack that do what they like'
search '-DCRASHES=1 -DMOVES=0 -DREMOVALS=1' -DSAFETY -w24
holds 'a device that is removed, one kill'
search '-DCRASHES=2 -DMOVES=1 -DREMOVALS=0' -DSAFETY -w24
holds 'a guest that goes, two kills'
