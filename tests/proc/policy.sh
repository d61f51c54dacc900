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

test_security_model_mapped_keeps_owners_in_attributes() {
    setfattr -n user.probe -v x "$share" 2>/dev/null || skip "no user attributes here"
    with_node security_model mapped-xattr
    await_back 2 1
    sim --uid 1234 put /dev/null file
    sim ln -s /etc/passwd link
    sim detach >/dev/null
    [ "$(getfattr --only-values -n user.virtfs.uid "$share/file" | od -An -tu4)" -eq 1234 ] ||
        fail "$(getfattr -d "$share/file")"
    [ "$(cat "$share/link")" = /etc/passwd ] || fail "the link is something else"
}

test_security_model_mapped_file_keeps_owners_in_files() {
    with_node security_model mapped-file
    await_back 2 1
    sim --uid 1234 put /dev/null file
    sim detach >/dev/null
    grep -qx virtfs.uid=1234 "$share/.virtfs_metadata/file" || fail "$(find "$share")"
}

# with_config OPTION...: a daemon that reads standard input.
with_config() {
    cat >"$work/xen9pfsd.conf"
    daemon_start --export "$share" --config "$work/xen9pfsd.conf" "$@"
}

test_readonly_share_cannot_be_changed() {
    echo kept >"$share/file"
    with_config <<<"share \"still\" { path = \"$share\" readonly = true }"
    sim --path "$share" attach --wait
    await_log 'guest 1 dev 0: exports .*, read-only, share still'
    [ "$(sim cat file)" = kept ] || fail "it cannot be read"
    ! sim put /dev/null file 2>"$work/err" || fail "it can be written"
    grep -q 'Read-only file system' "$work/err" || fail "$(cat "$work/err")"
    [ "$(cat "$share/file")" = kept ] || fail "it was written"
    sim detach >/dev/null
}

# section_fits PATTERN...: of a share that is exported read-only to guest 1.
section_fits() {
    with_config <<<"share \"x\" { readonly = true $* }"
    sim --path "$share" attach --wait
    await_log 'guest 1 dev 0: exports'
    sim detach >/dev/null
    logged 'read-only, share x'
}

test_section_fits_a_guests_name() {
    section_fits 'guest = "guest*"' || fail "no"
}

test_section_fits_a_domid() {
    section_fits 'domid = "[12]"' || fail "no"
}

test_section_fits_a_tag() {
    section_fits 'tag = "sh?re"' || fail "no"
}

test_section_fits_a_path() {
    section_fits "path = \"${share%/*}/*\"" || fail "no"
}

test_section_of_another_guest_does_not_fit() {
    ! section_fits 'guest = "web*"' || fail "yes"
}

test_section_of_another_domid_does_not_fit() {
    ! section_fits 'domid = "2"' || fail "yes"
}

test_section_of_a_directory_above_does_not_fit() {
    ! section_fits "path = \"${share%/*/*}/*\"" || fail "yes"
}

test_all_patterns_of_a_section_must_fit() {
    ! section_fits 'guest = "guest*" domid = "2"' || fail "yes"
}

test_first_section_that_fits_counts() {
    with_config <<<'share "a" { domid = "2" } share "b" { readonly = true } share "c" { }'
    sim --path "$share" attach --wait
    await_log 'guest 1 dev 0: exports .*, read-only, share b'
    sim detach >/dev/null
}

test_sections_of_several_files_follow_each_other() {
    echo 'share "a" { domid = "2" } share "b" { readonly = true } share "c" { }' >"$work/first.conf"
    with_config --config "$work/first.conf" <<<'share "d" { domid = "1" }'
    sim --path "$share" attach --wait
    await_log 'guest 1 dev 0: exports .*, share d'
    sim detach >/dev/null
    daemon_stop
    daemon_start --export "$share" --config "$work/first.conf" --config "$work/xen9pfsd.conf"
    sim --path "$share" attach --wait
    await_log 'guest 1 dev 0: exports .*, read-only, share b'
    sim detach >/dev/null
}

test_command_line_is_the_default_of_sections() {
    with_config --umask 027 <<<'share "a" { ownership = "mapped-file" }'
    sim --path "$share" attach --wait
    sim mkdir dir
    sim detach >/dev/null
    grep -qx "virtfs.mode=$((040750))" "$share/.virtfs_metadata/dir" || fail "another mode"
}

test_configured_ownership_wins_over_the_toolstack() {
    with_config <<<'ownership = "mapped-file"'
    sim --path "$share" --security-model none attach --wait
    await_log 'guest 1 dev 0: exports .* security model mapped-file'
    sim detach >/dev/null
}

test_toolstacks_model_that_does_not_fit_a_section_is_refused() {
    with_config <<<'share "strict" { fmode = 640 }'
    sim --path "$share" --security-model none attach
    await_log 'guest 1 dev 0: refused: security_model none, share "strict": fmode and dmode'
    [ "$(back_state 1)" = 1 ] || fail "state $(back_state 1)"
}

test_id_maps_reach_the_host() {
    need_root "only root may give files away"
    with_config <<<'ownership = "passthrough"
        uid-map = {"map:0:100000:65536", "forbid-guest:65536:1000"}
        gid-map = {"squash-guest:0:7:4294967295"}'
    sim --path "$share" attach --wait
    sim --uid 5 put /dev/null file
    sim detach >/dev/null
    [ "$(stat -c %u:%g "$share/file")" = 100005:7 ] || fail "$(stat "$share/file")"
}

test_worker_of_a_mapped_share_has_few_capabilities() {
    need_root "others have none"
    sanitized && skip "a sanitizer needs more"
    with_config <<<'ownership = "mapped-file"'
    sim --path "$share" attach --wait
    hold guest
    local pid caps
    pid=$(workers)
    caps=$(sed -n 's/^CapPrm:\t//p' "/proc/$pid/status")
    [ $((16#$caps)) = $((2 | 8)) ] || fail "$caps"
    sim detach >/dev/null
}

# His own group is one of them; the worker itself cannot look that up any more.
test_users_are_in_their_groups_where_the_host_checks() {
    need_root "only root can be others"
    local uid gid
    IFS=: read -r uid gid < <(awk -F: '$3 > 0 && $4 > 0 { print $3 ":" $4; exit }' /etc/passwd)
    chmod 0755 "$share"
    echo text >"$share/file"
    chown "0:$gid" "$share/file"
    chmod 0640 "$share/file"
    with_config <<<'ownership = "passthrough" permissions = "host"'
    sim --path "$share" attach --wait
    [ "$(sim --uid "$uid" cat file)" = text ] || fail "not readable by his group"
    ! sim --uid 12345 cat file 2>"$work/err" || fail "readable by anybody"
    grep -q 'Permission denied' "$work/err" || fail "$(cat "$work/err")"
    sim detach >/dev/null
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
