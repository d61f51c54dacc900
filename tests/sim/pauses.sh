#!/bin/bash
# How long a guest waits when its worker is killed: a table, for people. No verdict.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/torture.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/torture.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/kill.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/kill.sh"

deaths=${KILLS:-50}

# The longest time without a reply in which each worker was killed, or that began within 2 ms of it: the
# kill is noted before it is made. In us. None: the guest had nothing to ask then.
pauses_of_deaths() {
    sed -n 's/^pause at_us=\([0-9]*\) us=\([0-9]*\)$/pause \1 \2/p' "$work/guest-1.out" |
        cat - <(sed -n 's/^kill worker at_us=/kill /p' "$work/killer.out") |
        awk '$1 == "pause" { start[n] = $2; length_of[n++] = $3 }
            $1 == "kill" {
                most = -1
                for (i = 0; i < n; i++)
                    if (start[i] <= $2 + 2000 && start[i] + length_of[i] >= $2 && length_of[i] > most)
                        most = length_of[i]
                if (most >= 0)
                    print most
            }' | sort -n
}

# row ORDER DAEMON-OPTION...
row() {
    local order=$1
    shift
    daemon_start --export "$share" "$@"
    torture guest-1 --path "$share" --order "$order" -- --workers 1 --kinds data --pauses=0 \
        --each-pause
    kill_shares "$deaths" 50000 150000 worker
    deaths_end >/dev/null
    torture_ends >/dev/null
    nothing_left 1
    daemon_stop
    : >"$log"
    pauses_of_deaths | awk -v order="$order" -v how="${*:---}" '{ us[NR] = $1 / 1000 }
        END { printf "%5s  %-9s  %6d  %6.1f  %6.1f  %6.1f\n", order, how, NR, us[1],
              us[int((NR + 1) / 2)], us[NR] }'
}

test_pauses() {
    share_on tmpfs
    echo "How long no reply came when the worker was killed, in ms; $deaths deaths each."
    echo "order  daemon     pauses   least  median    most"
    for order in 3 6 9; do
        row $order
        row $order --standby
    done
}

run_tests "$@"
