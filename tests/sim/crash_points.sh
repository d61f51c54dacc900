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
options=()
not_here='^fs/mapped'
rate=${RATE:-500} # one visit of so many ends deadly
helped= # processes are killed from outside, too

# Places where nobody has died yet, but for those that only shares of other models come by.
left() {
    "$report" "$work/crash.log" | awk -v not="$not_here" '$3 == 0 && $1 !~ not { print $1 (($2 == 0) ? " (never visited)" : "") }'
}

nothing_is_left() {
    [ -z "$(left)" ]
}

# guests_until SECONDS COMMAND...: they are tortured until the command succeeds, or that long.
guests_until() {
    local end=$((SECONDS + $1))
    shift
    daemon_start --export "$share" "${options[@]}"
    torture_many "$guests"
    [ -z "$helped" ] || kill_shares 1000000 20000 50000 worker
    until "$@" || one_has_ended || [ "$SECONDS" -ge "$end" ]; do
        sleep 0.2
    done
    [ -z "$helped" ] || kill_no_more
    torture_ends
    nothing_happened
    daemon_stop
    rm -r "$share/common"
    : >"$log"
}

died_at() { # PLACE
    "$report" "$work/crash.log" | awk -v place="$1" '$1 == place { exit $3 == 0 }'
}

# At any place by chance; then at those where the chance is small, at each twentieth visit: some have
# one in a life, and that in the life of a successor only, so that there have to be other deaths.
die_at_all_places() { # DAEMON-OPTION...
    local place
    options=("$@")
    [ -x "$daemon" ] || skip "$daemon is not built"
    export XEN9PFSD_CRASH=${SEED:-$$}:$rate XEN9PFSD_CRASH_LOG=$work/crash.log
    echo "    XEN9PFSD_CRASH=$XEN9PFSD_CRASH"
    guests_until "${SECONDS_OF_CHANCE:-15}" nothing_is_left
    for place in $(left | cut -d ' ' -f 1); do
        export XEN9PFSD_CRASH=each:$place:20
        echo "    XEN9PFSD_CRASH=$XEN9PFSD_CRASH"
        helped=1
        guests_until "$guard" died_at "$place"
    done
    helped=
    "$report" "$work/crash.log" | awk '{ visits += $2; deaths += $3 }
        END { print "    " NR " places, " visits " visits, " deaths " deaths" }'
    nothing_is_left || fail "nobody died at: $(left)"
}

test_death_at_every_place_on_disk() {
    share_on disk
    die_at_all_places
}

test_death_at_every_place_on_tmpfs() {
    share_on tmpfs
    die_at_all_places
}

test_death_at_every_place_in_mapped_xattr() {
    share_on disk
    setfattr -n user.probe -v x "$share" 2>/dev/null || skip "no user attributes here"
    not_here='^fs/mapped_(file|meta)'
    die_at_all_places --ownership mapped-xattr
}

test_death_at_every_place_in_mapped_file() {
    share_on tmpfs
    not_here='^fs/mapped_xattr'
    die_at_all_places --ownership mapped-file
}

test_death_at_every_place_with_a_standby() {
    share_on tmpfs
    die_at_all_places --standby
}

run_tests "$@"
