#!/bin/bash
# Everything at once, and every answer is right: see xen9pfs-sim(1), torture.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/torture.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/torture.sh"

ops=${OPS:-20000} # of each guest

test_everything_at_once_on_disk() {
    share_on disk
    daemon_start
    torture guest-1 --path "$share" -- --ops "$ops" --common common
    torture_done
    nothing_left 1
}

test_everything_at_once_on_tmpfs() {
    share_on tmpfs
    daemon_start
    torture guest-1 --path "$share" -- --ops "$ops" --common common
    torture_done
}

test_everything_at_once_on_one_ring() {
    daemon_start
    torture guest-1 --path "$share" --rings 1 -- --ops "$ops" --common common
    torture_done
}

test_everything_at_once_on_small_rings() {
    daemon_start
    torture guest-1 --path "$share" --rings 4 --order 3 -- --ops "$ops" --common common
    torture_done
}

# Reads are made on the loop, straight into the ring; these keep it longer than it has patience, so
# that another thread goes on beside them.
test_everything_at_once_with_late_reads() {
    daemon=$build/tests/xen9pfsd-synth
    XEN9PFSD_SYNTH=cached=7ms daemon_start
    torture guest-1 --path "$share" --order 3 -- --ops "$ops" --kinds data,append,list,flush
    torture_done
}

# What was given up is done long after, when others have been asked for at other places.
test_requests_that_were_given_up_take_their_time() {
    daemon=$build/tests/xen9pfsd-synth
    XEN9PFSD_SYNTH=create=20ms,symlink=20ms,rename=20ms daemon_start
    torture guest-1 --path "$share" -- --ops "$((ops / 20))" --kinds flush
    torture_done
}

test_everything_at_once_with_passthrough() {
    need_root "the model passthrough"
    daemon_start
    torture guest-1 --path "$share" --security-model passthrough -- --ops "$ops" --common common
    torture_done
    logged 'security model passthrough' || fail "the model is another one"
}

test_everything_at_once_as_an_ordinary_user() {
    as_ordinary_user
    daemon_start
    torture guest-1 --path "$share" -- --ops "$ops" --common common
    torture_done
}

test_three_guests_fight_for_a_lock() {
    daemon_start
    torture_many 3 --ops "$ops" --workers 2
    torture_done
    for domid in 1 2 3; do
        nothing_left $domid
    done
}

test_it_ends_in_good_order_when_told() {
    daemon_start
    torture_many 2
    sleep 1
    torture_ends
    [ "$(ls "$share")" = common ] || fail "files are left: $(ls "$share")"
}

run_tests "$@"
