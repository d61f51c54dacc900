#!/bin/bash
# Processes die at each place between two effects that outlive them: guests notice nothing.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/torture.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/torture.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/kill.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/kill.sh"

daemon=$build/tests/xen9pfsd-crash
report=$build/tests/lib/crash_report
rate=${RATE:-4000} # of a place's visits ends deadly

# Places where nobody has died yet.
left() {
    "$report" "$work/crash.log" | awk '$3 == 0 { print $1 (($2 == 0) ? " (never visited)" : "") }'
}

nothing_is_left() {
    [ -z "$(left)" ]
}

die_at_all_points() { # DAEMON-OPTION...
    [ -x "$daemon" ] || skip "$daemon is not built"
    export XEN9PFSD_CRASH=${SEED:-$$}:$rate XEN9PFSD_CRASH_LOG=$work/crash.log
    echo "    XEN9PFSD_CRASH=$XEN9PFSD_CRASH"
    daemon_start --export "$share" "$@"
    torture_many "$guests"
}

all_died() {
    local end=$((SECONDS + guard))
    until nothing_is_left || one_has_ended || [ "$SECONDS" -ge "$end" ]; do
        sleep 0.5
    done
    torture_ends
    "$report" "$work/crash.log" | awk '{ visits += $2; deaths += $3 }
        END { print "    " NR " places, " visits " visits, " deaths " deaths" }'
    nothing_is_left || fail "nobody died at: $(left)"
    nothing_happened
}

test_death_at_every_place_on_disk() {
    share_on disk
    die_at_all_points
    all_died
}

test_death_at_every_place_on_tmpfs() {
    share_on tmpfs
    die_at_all_points
    all_died
}

test_death_at_every_place_with_a_standby() {
    share_on tmpfs
    die_at_all_points --standby
    all_died
}

run_tests "$@"
