#!/bin/bash
# Which directories the toolstack may have exported.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

# device_refused PATH PATTERN: a device with that path stays in state 1, and a line says why.
device_refused() {
    sim --domid 7 --devid 3 --path "$1" attach
    await_log "guest 7 dev 3: .*$2"
    [ "$(back_state 7 9pfs 3)" = 1 ] || fail "state $(back_state 7 9pfs 3)"
    [ "$(node "$(back_dir 7 9pfs 3)/versions")" = none ] || fail "it is published"
    [ "$(log_count "guest 7 dev 3: .*$2")" = 1 ] || fail "said more than once"
    no_shares || fail "a process was started"
    # It is no trouble: its removal and other guests' work.
    visit 1 ls >/dev/null
    sim --domid 7 --devid 3 detach >/dev/null
    nothing_left 7
}

test_path_outside_is_refused() {
    daemon_start
    mkdir "$work/other"
    device_refused "$work/other" "refused: path \"$work/other\" is in no tree"
}

test_path_beside_with_the_same_beginning_is_refused() {
    daemon_start
    mkdir "${share}s"
    device_refused "${share}s" "refused: path \"${share}s\" is in no tree"
}

test_parent_of_an_export_is_refused() {
    daemon_start
    device_refused "$work" "refused: path \"$work\" is in no tree"
}

test_path_with_dots_that_leads_out_is_refused() {
    daemon_start
    mkdir "$work/other" "$share/sub"
    device_refused "$share/../other" "refused: path .* leads out of the exported tree"
    : >"$log"
    device_refused "$share/sub/../../other" "refused: path .* leads out of the exported tree"
}

test_path_with_dots_that_stays_inside_works() {
    daemon_start
    mkdir -p "$share/a" "$share/b"
    visit 1 --path "$share/a/../b" put /dev/null file
    [ -e "$share/b/file" ] || fail "it is elsewhere"
}

test_link_that_leads_out_is_refused() {
    daemon_start
    mkdir "$work/other"
    ln -s "$work/other" "$share/absolute"
    ln -s ../other "$share/relative"
    device_refused "$share/absolute" "refused: path .*/absolute\" passes through a symbolic link"
    device_refused "$share/relative" "refused: path .*/relative\" passes through a symbolic link"
    : >"$log"
    mkdir "$work/other/deep"
    device_refused "$share/relative/deep" "refused: path .*/deep\" passes through a symbolic link"
}

# A guest that can write above another's directory could turn the link elsewhere.
test_link_that_stays_inside_is_refused() {
    daemon_start
    mkdir -p "$share/real/dir"
    ln -s real "$share/link"
    device_refused "$share/link/dir" "refused: path .*/dir\" passes through a symbolic link"
}

test_export_itself_may_be_a_link() {
    mkdir "$work/real"
    ln -s real "$work/link"
    daemon_start --export "$work/link"
    visit 1 --path "$work/link" put /dev/null file
    [ -e "$work/real/file" ] || fail "it is elsewhere"
}

test_magic_link_is_refused() {
    daemon_start
    ln -s "/proc/$$/root" "$share/magic"
    device_refused "$share/magic" "refused: path .*/magic\""
}

test_relative_path_is_refused() {
    daemon_start
    device_refused share/sub 'refused: path "share/sub" is not absolute'
}

test_empty_path_is_refused() {
    daemon_start
    device_refused '' 'refused: path "" is not absolute'
}

test_missing_directory_is_refused() {
    daemon_start
    device_refused "$share/none" "refused: path \"$share/none\": No such file or directory"
}

test_file_is_refused() {
    daemon_start
    : >"$share/file"
    device_refused "$share/file" "refused: path \"$share/file\": Not a directory"
}

test_fifo_is_refused_without_waiting_for_its_writer() {
    daemon_start
    mkfifo "$share/fifo"
    device_refused "$share/fifo" "refused: path \"$share/fifo\": Not a directory"
}

test_export_itself_works_with_any_number_of_slashes() {
    daemon_start --export "$share//"
    visit 1 --path "$share" put /dev/null one
    visit 1 --path "$share///" put /dev/null two
    [[ -e $share/one && -e $share/two ]] || fail "they are elsewhere"
}

test_whole_host_may_be_allowed() {
    daemon_start --export /
    visit 1 --path "$share" put /dev/null file
    [ -e "$share/file" ] || fail "it is elsewhere"
}

test_nothing_is_exported_without_export() {
    daemon_start --log-level info
    logged 'warning: nothing may be exported' || fail "it does not warn"
    sim --path "$share" attach
    await_log "guest 1 dev 0: refused: path \"$share\" is in no tree"
    [ "$(back_state 1)" = 1 ] || fail "state $(back_state 1)"
}

test_overlapping_exports_work() {
    mkdir "$share/inner"
    daemon_start --export "$share/inner" --export "$share"
    visit 1 --path "$share/inner" put /dev/null file
    visit 1 put /dev/null file
    [[ -e $share/inner/file && -e $share/file ]] || fail "they are elsewhere"
}

test_device_that_was_refused_is_served_once_its_path_is_right() {
    daemon_start
    sim --path "$share/later" attach
    await_log 'guest 1 dev 0: refused'
    mkdir "$share/later"
    sim --path "$share/later" attach --wait
    sim ls >/dev/null
}

# with_node KEY VALUE: a device whose node has another value when the daemon comes.
with_node() {
    sim --path "$share" attach
    sim xs-write "$(back_dir 1)/$1" "$2"
    daemon_start
}

test_security_model_mapped_is_refused() {
    with_node security_model mapped-xattr
    await_log "guest 1 dev 0: .*security_model .*"
    [ "$(back_state 1)" = 1 ] || fail "state $(back_state 1)"
}

test_security_model_passthrough_gives_files_to_the_guests_user() {
    need_root "only root may give files away"
    with_node security_model passthrough
    await_back 2 1
    chmod 0777 "$share"
    sim --uid 1234 put /dev/null file
    sim detach >/dev/null
    logged 'security model passthrough' || fail "it does not say so"
    [ -e "$share/file" ] || fail "there is no file"
}

test_guest_cannot_leave_its_export() {
    daemon_start
    mkdir "$share/mine"
    echo secret >"$share/secret"
    ln -s ../secret "$share/mine/link"
    ln -s "$share/secret" "$share/mine/absolute"
    sim --path "$share/mine" attach --wait
    for path in ../secret link/ link absolute mine/../../secret; do
        ! visit 2 --path "$share/mine" cat "$path" >"$work/out" 2>&1 ||
            fail "$path can be read"
        ! grep -q secret "$work/out" || grep -q 'xen9pfs-sim: cat: .*secret:' "$work/out" ||
            fail "$path: $(cat "$work/out")"
    done
}

run_tests "$@"
