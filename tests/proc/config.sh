#!/bin/bash
# Options and configuration file: what is wrong is refused with one line that names it.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

# refused PATTERN OPTION...: exit status not 0, one line on stderr, which says it.
refused() {
    local pattern=$1 status=0
    shift
    timeout -k 10 "$guard" "$daemon" "$@" 2>"$work/err" >&2 </dev/null || status=$?
    [ $status != 0 ] || fail "accepted: $*"
    [ $status -lt 124 ] || fail "exit status $status: $*"
    [ "$(wc -l <"$work/err")" = 1 ] || fail "not one line: $(cat "$work/err")"
    grep -qE -- "^xen9pfsd: error: .*$pattern" "$work/err" || fail "$(cat "$work/err")"
}

# As refused, for what argp(3) finds: its second line points to --help.
refused_usage() {
    local pattern=$1 status=0
    shift
    timeout -k 10 "$guard" "$daemon" "$@" 2>"$work/err" >&2 </dev/null || status=$?
    [ $status != 0 ] || fail "accepted: $*"
    [ $status -lt 124 ] || fail "exit status $status: $*"
    grep -qE -- "$pattern" "$work/err" || fail "$(cat "$work/err")"
    grep -q -- --help "$work/err" || fail "$(cat "$work/err")"
}

config() {
    cat >"$work/xen9pfsd.conf"
}

refused_file() {
    refused "$1" --config "$work/xen9pfsd.conf" --bus "sim:$bus"
}

test_limit_that_is_no_number_is_refused() {
    refused 'max-space "lots" is not a number' --bus "sim:$bus" --max-space lots
    config <<'END'
share "small" { max-files = "-1" }
END
    refused_file 'max-files "-1" is not a number'
}

test_budget_out_of_its_bounds_is_refused() {
    refused 'max-fids "15" is not 16..1048576' --bus "sim:$bus" --max-fids 15
    refused 'max-requests "1025" is not 16..1024' --bus "sim:$bus" --max-requests 1025
    refused 'max-xattr-space "" is not 64..16384' --bus "sim:$bus" --max-xattr-space ''
    refused 'max-lockers "0" is not 1..1024' --bus "sim:$bus" --max-lockers 0
    config <<'END'
share "small" { max-request-space = 65 }
END
    refused_file 'max-request-space "65" is not 4..64'
}

test_number_of_devices_out_of_its_bounds_is_refused() {
    refused 'max-devices "0" is not 1..65536' --bus "sim:$bus" --max-devices 0
    refused 'max-guest-devices "many" is not 1..65536' --bus "sim:$bus" --max-guest-devices many
    config <<'END'
max-devices = 65537
END
    refused_file 'max-devices "65537" is not 1..65536'
}

test_pace_out_of_its_bounds_is_refused() {
    refused 'max-connects "0" is not 1..1000' --bus "sim:$bus" --max-connects 0
    refused 'max-log-lines "" is not 10..1000000' --bus "sim:$bus" --max-log-lines ''
    config <<'END'
share "small" { max-store-events = 19 }
END
    refused_file 'max-store-events "19" is not 20..1000000'
}

test_relative_export_is_refused() {
    refused 'export "srv/guests" is not an absolute path' --bus "sim:$bus" --export srv/guests
}

test_empty_export_is_refused() {
    refused 'export ""' --bus "sim:$bus" --export ''
}

test_missing_export_is_refused() {
    refused "export \"$work/nowhere\": No such file or directory" --bus "sim:$bus" \
        --export "$work/nowhere"
}

test_export_that_is_a_file_is_refused() {
    : >"$work/file"
    refused "export \"$work/file\": Not a directory" --bus "sim:$bus" --export "$work/file"
}

test_second_export_that_is_missing_is_refused() {
    refused "export \"$work/nowhere\"" --bus "sim:$bus" --export "$share" --export "$work/nowhere"
}

test_bad_kind_is_refused() {
    refused 'kind "vbd" is neither 9pfs nor xen_9pfs' --bus "sim:$bus" --kind vbd
}

test_bad_log_level_is_refused() {
    refused 'log-level "loud" is not error, warning, info or debug' --bus "sim:$bus" \
        --log-level loud
}

test_bad_bus_is_refused() {
    refused '"pci:0"' --bus pci:0 --export "$share"
}

test_long_bus_is_refused() {
    refused 'bus "sim:x*\.\.\." is too long' --bus "sim:$(printf 'x%.0s' {1..400})"
}

test_relative_state_dir_is_refused() {
    refused 'state-dir "run" is not an absolute path' --bus "sim:$bus" --state-dir run
}

test_missing_parent_of_state_dir_is_refused() {
    refused "state directory $work/none/state: No such file or directory" --bus "sim:$bus" \
        --state-dir "$work/none/state"
}

test_bad_polling_is_refused() {
    refused 'polling "1" is neither true nor false' --bus "sim:$bus" --polling=1
}

test_bad_standby_is_refused() {
    refused 'standby "maybe" is neither true nor false' --bus "sim:$bus" --standby=maybe
}

test_unknown_option_is_refused() {
    refused_usage "unrecognized option '--exprot'" --exprot /srv
}

test_option_without_value_is_refused() {
    refused_usage "option '--export' requires an argument" --export
}

test_words_that_are_no_options_are_refused() {
    refused_usage 'unexpected argument "/srv"' --bus "sim:$bus" /srv
}

test_missing_file_is_refused() {
    refused "$work/none.conf: No such file or directory" --config "$work/none.conf"
}

test_directory_as_file_is_refused() {
    refused "$work" --config "$work" --bus "sim:$bus"
}

test_unreadable_file_is_refused() {
    [ "$(id -u)" != 0 ] || skip "root may read everything"
    config </dev/null
    chmod 0 "$work/xen9pfsd.conf"
    refused_file 'xen9pfsd.conf: Permission denied'
}

test_unknown_key_is_refused_by_name() {
    printf 'export = {"/"}\n\nexprot = {"/srv"}\n' | config
    refused_file "xen9pfsd.conf: .*exprot"
}

test_syntax_error_is_refused() {
    printf 'export = {"/"}\n\nkind = = "9pfs"\n' | config
    refused_file "xen9pfsd.conf: "
}

test_unclosed_list_is_refused() {
    printf 'export = {"/"\n' | config
    refused_file "xen9pfsd.conf: "
}

test_binary_file_is_refused() {
    head -c 4096 "$daemon" | config
    refused_file 'xen9pfsd.conf'
}

test_bad_values_in_a_file_are_refused_like_options() {
    printf 'export = {"srv"}\n' | config
    refused_file 'xen9pfsd.conf: export "srv" is not an absolute path'
    printf 'kind = {"9pfs", "vbd"}\n' | config
    refused_file 'xen9pfsd.conf: kind "vbd"'
    printf 'standby = maybe\n' | config
    refused_file 'xen9pfsd.conf: standby "maybe"'
    printf 'state-dir = "run"\n' | config
    refused_file 'xen9pfsd.conf: state-dir "run"'
    printf 'log-level = "loud"\n' | config
    refused_file 'xen9pfsd.conf: log-level "loud"'
}

test_file_is_enough() {
    mkdir "$work/other"
    printf 'export = {"%s", "%s"}\nkind = "xen_9pfs"\nbus = "sim:%s"\nlog-level = "debug"
standby = true\npolling = false\n' \
        "$share" "$work/other" "$bus" | config
    daemon_begin --config "$work/xen9pfsd.conf"
    await "the daemon serves" serves_or_ended
    logged '^xen9pfsd: serving xen_9pfs on bus' || fail "it serves other kinds"
    visit 1 --kind xen_9pfs ls >/dev/null
    visit 1 --kind xen_9pfs --path "$work/other" ls >/dev/null
    logged 'debug: ' || fail "it logs at another level"
}

test_command_line_has_the_last_word() {
    printf 'export = "%s"\nkind = "xen_9pfs"\nbus = "sim:/nowhere"\nlog-level = "debug"\n' \
        "$share" | config
    mkdir "$work/other"
    # Wherever the file stands on the line.
    daemon_begin --bus "sim:$bus" --kind 9pfs --config "$work/xen9pfsd.conf" --log-level info \
        --export "$work/other"
    await "the daemon serves" serves_or_ended
    logged '^xen9pfsd: serving 9pfs on bus' || fail "the file's kind"
    visit 1 ls >/dev/null
    visit 1 --path "$work/other" ls >/dev/null
    ! logged 'debug: ' || fail "the file's log level"
}

test_log_level_error_is_silent_in_good_times() {
    daemon_begin --bus "sim:$bus" --export "$share" --log-level error
    visit 1 ls >/dev/null
    daemon_stop
    [ ! -s "$log" ] || fail "it says something"
}

test_help_and_version_end_well() {
    timeout -k 10 "$guard" "$daemon" --help >"$work/help"
    for option in --config --export --kind --bus --log-level --polling --state-dir --standby upgrade detach status; do
        grep -q -- "$option" "$work/help" || fail "--help does not know $option"
    done
    timeout -k 10 "$guard" "$daemon" --version | grep -qi xen9pfsd || fail "--version"
}

test_bad_export_options_are_refused() {
    local both=(--bus "sim:$bus" --export "$share")
    refused 'ownership "root" is not none, passthrough' "${both[@]}" --ownership root
    refused 'fmode "888" is not MODE' "${both[@]}" --fmode 888
    refused 'umask "-1" is not' "${both[@]}" --umask=-1
    refused 'squash "7" is not UID:GID' "${both[@]}" --squash 7
    refused 'uid-map "map:0:0:0" is not' "${both[@]}" --uid-map map:0:0:0
    refused 'uid-map "map:1:0:4294967295" is not' "${both[@]}" --uid-map map:1:0:4294967295
    refused 'gid-map "squash:0:0:1" is not' "${both[@]}" --gid-map squash:0:0:1
    refused 'special-files "yes" is not refuse' "${both[@]}" --special-files yes
    refused 'mounts "some" is not cross' "${both[@]}" --mounts some
    refused 'xattr-user "no" is not pass' "${both[@]}" --xattr-user no
    refused 'readonly "maybe" is not true' "${both[@]}" --readonly=maybe
}

test_what_does_not_fit_together_is_refused() {
    local both=(--bus "sim:$bus" --export "$share")
    refused 'fmode and dmode are for' "${both[@]}" --ownership passthrough --fmode 600
    refused 'shut the server itself out' "${both[@]}" --ownership mapped-file --dmode 500
    refused 'squash leaves nothing' "${both[@]}" --ownership none --squash 1:1 \
        --uid-map map:0:1:1
    refused 'xattr-acl = pass' "${both[@]}" --ownership mapped-xattr --xattr-acl pass
    refused 'xattr-trusted and' "${both[@]}" --ownership mapped-file --xattr-trusted pass
    refused 'permissions = host' "${both[@]}" --ownership none --permissions host
    refused 'special-files = open' "${both[@]}" --ownership mapped-file --special-files open
}

test_bad_share_sections_are_refused() {
    config <<<'share "a" { ownership = "root" }'
    refused_file 'ownership "root" is not'
    config <<<'share "a" { colour = "red" }'
    refused_file 'colour'
    config <<<'share { readonly = true }'
    refused_file 'xen9pfsd.conf'
    config <<<'share "a" { readonly = true } share "a" { readonly = false }'
    refused_file 'a'
    config <<<'share "a" { ownership = "mapped-xattr" xattr-acl = "pass" }'
    refused_file 'share "a": xattr-acl = pass'
    config <<<'fmode = 640 share "a" { ownership = "passthrough" }'
    refused_file 'share "a": fmode and dmode'
}

test_share_option_is_not_for_people() {
    refused 'descriptor 3 is not the supervisor' --share=1/0 3</dev/null
    ! timeout -k 10 "$guard" "$daemon" --help | grep -q -- '--share' || fail "--help shows it"
}

run_tests "$@"
