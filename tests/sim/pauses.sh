#!/bin/bash
# How long a guest waits when its worker is killed: a table, for people. No verdict.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/torture.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/torture.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/kill.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/kill.sh"

deaths=${KILLS:-50}
above=${ABOVE:-1} # ms: shorter times without a reply are no pauses

# row ORDER WHAT DAEMON-OPTION...: WHAT: nothing or worker.
row() {
    local order=$1 what=$2
    shift 2
    daemon_start --export "$share" "$@"
    torture guest-1 --path "$share" --order "$order" -- --workers 1 --kinds data --pauses="$above"
    if [ "$what" = nothing ]; then
        sleep $((deaths / 5))
    else
        kill_shares "$deaths" 150000 250000 worker
        deaths_end >/dev/null
    fi
    torture_ends >/dev/null
    nothing_left 1
    daemon_stop
    : >"$log"
    sed -n 's/^pauses=\([0-9]*\) median_us=\([0-9]*\) longest_us=\([0-9]*\)/\1 \2 \3/p' \
        "$work/guest-1.out" |
        awk -v order="$order" -v what="$what" -v how="${*:---}" \
            '{ printf "%5s  %-8s  %-10s  %6d  %9.1f  %10.1f\n", order, what, how, $1, $2 / 1000, $3 / 1000 }'
}

test_pauses() {
    share_on tmpfs
    echo "times above $above ms without a reply, under load; $deaths deaths"
    echo "order  killed    daemon      pauses  median ms  longest ms"
    for order in 3 6 9; do
        row $order nothing
        row $order worker
        row $order worker --standby
    done
}

run_tests "$@"
