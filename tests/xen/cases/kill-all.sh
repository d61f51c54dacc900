# shellcheck shell=bash
# DESC: keepers and supervisors die too; upgrades, a stop and a start, standbys, all of it at once
#
# Then a second guest, for deaths that take everything along: its load does without files that
# have no name and without locks, which do not come back then.
# shellcheck source=../dom0/lib.sh
. /payload/lib.sh
# shellcheck source=../dom0/torture.sh
. /payload/torture.sh
options=(--export "$share")

supervisor_dies() {
    kill -KILL "$daemon"
    wait "$daemon" 2>/dev/null
    daemon=''
}
daemon_again() {
    start_daemon "${options[@]}"
    check "it serves" soon serves
}
# While processes die a share may stay with the old program; then it is tried again.
upgrades=0
upgrade_once() { "/tmp/xen9pfsd.$upgrades" upgrade; }
upgrade() {
    cp /payload/xen9pfsd "/tmp/xen9pfsd.$((++upgrades))"
    check "upgrade $upgrades" "$@" upgrade_once
    equal "the supervisor's program" "$(readlink "/proc/$daemon/exe")" "/tmp/xen9pfsd.$upgrades"
    check "it serves" soon serves
}

start_daemon "${options[@]}"
tortured
say "=== keepers"
kill_processes $((kills / 3)) 100000 500000 worker keeper

say "=== the supervisor"
for pause in 0 0.7; do
    kills_begin 100000 400000 worker
    supervisor_dies
    sleep $pause
    daemon_again
    sleep 0.5
    kills_end
done

say "=== upgrades"
upgrade
kills_begin 100000 400000 worker
upgrade soon
kills_end

say "=== stopped for two seconds"
end_daemon TERM
equal "processes that wait" "$(daemon_processes)" 1
sleep 2
daemon_again

say "=== standbys"
end_daemon TERM
options+=(--standby) standby=1
daemon_again
upgrade                                 # a share that goes on keeps its keeper, and that has none
check "a standby waits" soon standby_waits
kill_processes $((kills / 3)) 100000 500000 worker worker standby

say "=== all of it"
kills_begin 50000 400000 worker worker standby keeper
for pause in 0 0.5; do
    supervisor_dies
    sleep $pause
    daemon_again
    sleep 0.7
    upgrade soon
    sleep 0.7
    end_daemon TERM
    sleep $pause
    daemon_again
    sleep 0.7
done
kills_end
torture_ends

say "=== keeper and worker together"
tortured --no-unlinked --no-locks
kill_processes 3 500000 1500000 both
say "=== everything"
supervisor_dies
for p in $(pgrep xen9pfsd); do kill -KILL "$p" 2>/dev/null; done
daemon_again
sleep 1
torture_ends
stop_daemon
