#!/bin/bash
# xen9pfs-serve: options, start and end. The protocol itself is tests/protocol's.
# shellcheck source-path=SCRIPTDIR source=../lib/bus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/bus.sh"

serve_pid=''

# serve_start OPTION...: until it listens.
serve_start() {
    background serve.out "$serve" --path "$share" "$@"
    serve_pid=$pid
    await "xen9pfs-serve listens" serve_listens_or_ended
    grep -q 'without authentication' "$work/serve.out" || fail "$(cat "$work/serve.out")"
}

serve_listens_or_ended() {
    grep -q 'without authentication' "$work/serve.out" || ended "$serve_pid"
}

serve_stop() {
    kill "-${1:-TERM}" "$serve_pid"
    finish "$serve_pid" || fail "exit status $?"
}

# at ADDRESS VERB...: a client of that server.
at() {
    local address=$1
    shift
    timeout -k 10 "$guard" "$simulator" --connect "$address" "$@"
}

# refused PATTERN OPTION...: exit status not 0, and a line that says why.
refused() {
    local pattern=$1 status=0
    shift
    timeout -k 10 "$guard" "$serve" "$@" >"$work/err" 2>&1 </dev/null || status=$?
    [ $status != 0 ] || fail "accepted: $*"
    [ $status -lt 124 ] || fail "exit status $status: $*"
    grep -qE -- "$pattern" "$work/err" || fail "$(cat "$work/err")"
}

free_port() {
    local port
    for ((port = 20000 + RANDOM % 20000; ; port++)); do
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

test_options_are_needed() {
    refused '--listen and --path are needed'
    refused '--listen and --path are needed' --path "$share"
    refused '--listen and --path are needed' --listen "unix:$work/s"
}

test_bad_options_are_refused() {
    refused "unrecognized option '--red-only'" --red-only
    refused '--ownership "mapped-xattrs" is not' --ownership mapped-xattrs
    refused '--ownership "root" is not' --security-model root
    refused '--uid-map "map:0:1" is not' --uid-map map:0:1
    refused '--special-files "all" is not refuse|nodes|open' --special-files all
    refused '--msize 100' --msize 100
    refused '--max-space "lots" is not a number' --max-space lots
    refused '--max-fids "1" is not 16..1048576' --max-fids 1
    refused '--max-files "-1" is not a number' --max-files=-1
    refused '--max-open-files "4294967296" is not a number' --max-open-files 4294967296
    refused '--auto-delete "2" is not a number from 0 to 1' --auto-delete 2
    refused '--msize 10000000' --msize 10000000
    refused '--msize much' --msize much
    refused '--log-level loud' --log-level loud
}

test_missing_directory_is_refused() {
    refused "--path $work/none: No such file or directory" --path "$work/none" \
        --listen "unix:$work/s"
    [ ! -e "$work/s" ] || fail "a socket is left"
}

test_file_as_directory_is_refused() {
    : >"$work/file"
    refused "--path $work/file: Not a directory" --path "$work/file" --listen "unix:$work/s"
}

test_bad_address_is_refused() {
    refused '--listen ftp:host' --path "$share" --listen ftp:host
    refused '--listen unix:' --path "$share" --listen "unix:$work/none/s"
    refused '--listen tcp:' --path "$share" --listen tcp:127.0.0.1
    refused '--listen unix:' --path "$share" --listen "unix:$work/$(printf 'x%.0s' {1..200})"
}

test_day_of_work_passes_over_unix() {
    serve_start --listen "unix:$work/s"
    at "unix:$work/s" day --lines >"$work/day" 2>/dev/null || fail "$(grep -v ^ok "$work/day")"
    serve_stop
}

test_day_of_work_passes_over_tcp() {
    local port
    port=$(free_port)
    serve_start --listen "tcp:127.0.0.1:$port"
    at "tcp:127.0.0.1:$port" day --lines >"$work/day" 2>/dev/null ||
        fail "$(grep -v ^ok "$work/day")"
    serve_stop
}

test_thirty_clients_at_once_are_served() {
    local pids=()
    serve_start --listen "unix:$work/s"
    for ((i = 0; i < 30; i++)); do
        mkdir "$share/$i"
        background "client-$i" at "unix:$work/s" load -s 2 -n 4 -b 4096 -f 256K mixed
        pids+=("$pid")
    done
    for ((i = 0; i < 30; i++)); do
        load_is_good "client-$i" "${pids[i]}"
    done
    serve_stop
}

test_socket_is_removed_at_the_end() {
    for signal in TERM INT; do
        serve_start --listen "unix:$work/s"
        [ -S "$work/s" ] || fail "there is no socket"
        serve_stop $signal
        [ ! -e "$work/s" ] || fail "the socket is still there after SIG$signal"
    done
}

test_sigterm_under_load_ends_in_good_order() {
    serve_start --listen "unix:$work/s"
    background client.out at "unix:$work/s" load -s 60 -n 32 mixed
    await "the load has begun" load_has_begun
    serve_stop
    ! finish "$pid" || fail "the client did not notice"
}

load_has_begun() {
    [ -n "$(ls "$share")" ]
}

test_path_of_a_socket_that_is_in_use_is_refused() {
    serve_start --listen "unix:$work/s"
    refused "--listen unix:$work/s: Address already in use" --path "$share" --listen "unix:$work/s"
    at "unix:$work/s" ls >/dev/null || fail "the first one does not serve any more"
    serve_stop
}

test_path_that_is_a_file_is_refused() {
    echo precious >"$work/s"
    refused "--listen unix:$work/s" --path "$share" --listen "unix:$work/s"
    [ "$(cat "$work/s")" = precious ] || fail "the file is gone"
}

test_port_in_use_is_refused() {
    local port
    port=$(free_port)
    serve_start --listen "tcp:127.0.0.1:$port"
    refused "--listen tcp:127.0.0.1:$port: Address already in use" --path "$share" \
        --listen "tcp:127.0.0.1:$port"
    serve_stop
}

test_readonly_changes_nothing() {
    echo kept >"$share/file"
    serve_start --listen "unix:$work/s" --readonly
    [ "$(at "unix:$work/s" cat file)" = kept ] || fail "it cannot be read"
    ! at "unix:$work/s" put /dev/null file 2>"$work/err" || fail "it can be written"
    ! at "unix:$work/s" mkdir dir 2>"$work/err" || fail "a directory can be made"
    ! at "unix:$work/s" rm file 2>"$work/err" || fail "it can be removed"
    grep -q 'Read-only file system' "$work/err" || fail "$(cat "$work/err")"
    [ "$(cat "$share/file")" = kept ] || fail "the file has changed"
    serve_stop
}

# apart TEXT OPTION...: they make no sense together, and it is said why.
apart() {
    local text=$1
    shift
    refused "$text" --path "$share" --listen "unix:$work/s" "$@"
    [ ! -e "$work/s" ] || fail "a socket is left: $*"
}

test_what_does_not_fit_together_is_refused() {
    apart 'squash leaves nothing to uid-map and gid-map' --squash 1:1 --uid-map map:0:1:1
    apart 'squash leaves nothing to uid-map and gid-map' --squash 1:1 --gid-map map:0:1:1
    for model in none mapped-xattr mapped-file; do
        apart 'permissions = host is for the model passthrough' --permissions host --ownership $model
    done
    for model in none passthrough; do
        apart 'fmode and dmode are for the models mapped-xattr and mapped-file' --fmode 640 \
            --ownership $model
        apart 'fmode and dmode are for the models mapped-xattr and mapped-file' --dmode 750 \
            --ownership $model
    done
    for model in mapped-xattr mapped-file; do
        apart 'must not shut the server itself out' --fmode 440 --ownership $model
        apart 'must not shut the server itself out' --dmode 600 --ownership $model
        apart 'a mapped model has no special files on the host' --special-files open \
            --ownership $model
        apart 'pass need privileges' --xattr-trusted pass --ownership $model
        apart 'pass need privileges' --xattr-security pass --ownership $model
    done
    apart 'an ACL of the host.s would change a mode that is not the guest.s' --xattr-acl pass \
        --ownership mapped-xattr
}

# Where it does not, other names than those that it watches lead to the files of the store.
test_mapped_file_needs_a_file_system_that_tells_cases_apart() {
    local preloaded=$build/tests/lib/folding.so fat=0x4d44 smb2=0xfe534d42 ext4=0xef53 on
    ! sanitized || skip "a sanitizer wants to be loaded first"
    [ -e "$preloaded" ] || skip "$preloaded is not built"
    for on in $fat $smb2 casefold; do
        LD_PRELOAD=$preloaded FOLDING=$on \
            apart 'mapped-file needs a file system that tells' --ownership mapped-file
    done
    LD_PRELOAD=$preloaded FOLDING=$ext4 together --ownership mapped-file
    LD_PRELOAD=$preloaded FOLDING=$fat together --ownership none
}

# together OPTION...: they are served.
together() {
    serve_start --listen "unix:$work/s" "$@"
    at "unix:$work/s" mkdir dir || fail "nothing is made with $*"
    at "unix:$work/s" ls >/dev/null || fail "nothing is listed with $*"
    at "unix:$work/s" rm -r dir || fail "nothing is removed with $*"
    serve_stop
}

test_what_fits_together_is_served() {
    together --ownership none --squash 1:1 --special-files open --umask 022 --mounts hide \
        --xattr-user prefix --xattr-trusted prefix --xattr-security prefix --xattr-acl deny
    together --ownership mapped-xattr --uid-map map:0:1000:1000 --gid-map map:0:1000:1000 \
        --fmode 660 --dmode 770 --special-files nodes --xattr-trusted prefix \
        --xattr-security prefix --max-space 100 --max-files 100 --max-open-files 100
    together --ownership mapped-file --squash 1:1 --fmode 600 --dmode 700 --xattr-acl pass \
        --auto-delete 1 --max-space 100
    [ "$(id -u)" = 0 ] || return 0
    together --ownership passthrough --permissions host --squash 0:0 --special-files open
    together --ownership passthrough --permissions host --uid-map map:0:0:1000 --xattr-trusted pass \
        --xattr-security pass --max-files 100
}

# day_passes OPTION...: a guest's day of work on a share like that.
day_passes() {
    serve_start --listen "unix:$work/s" "$@"
    at "unix:$work/s" day --lines >"$work/day" 2>/dev/null || fail "$(grep -v ^ok "$work/day")"
    serve_stop
}

test_day_of_work_passes_in_mapped_xattr() {
    setfattr -n user.probe -v x "$share" 2>/dev/null || skip "no user attributes here"
    day_passes --ownership mapped-xattr --fmode 640 --dmode 750
}

test_day_of_work_passes_in_mapped_file() {
    local file
    day_passes --ownership mapped-file
    find "$share" -path '*/.virtfs_metadata/*' | while read -r file; do
        [ -e "${file%/.virtfs_metadata/*}/${file##*/}" ] || fail "$file is nobody's"
    done
}

test_day_of_work_passes_with_mapped_ids() {
    need_root "only root may give files away"
    day_passes --ownership passthrough --uid-map map:0:100000:65536 --gid-map map:0:100000:65536
}

test_torture_finds_nothing_in_mapped_file() {
    serve_start --listen "unix:$work/s" --ownership mapped-file
    at "unix:$work/s" torture --ops 2000 >"$work/torture" || fail "$(cat "$work/torture")"
    grep -q ' errors=0$' "$work/torture" || fail "$(cat "$work/torture")"
    serve_stop
}

test_day_of_work_passes_where_the_host_checks() {
    need_root "only root can be others"
    day_passes --ownership passthrough --permissions host
}

test_host_checks_where_it_shall() {
    need_root "only root can be others"
    chmod 0755 "$share"
    serve_start --listen "unix:$work/s" --ownership passthrough --permissions host
    ! at "unix:$work/s" --uid 1234 put /dev/null file 2>"$work/err" || fail "anybody may"
    grep -q 'Permission denied' "$work/err" || fail "$(cat "$work/err")"
    at "unix:$work/s" --uid 0 put /dev/null file
    serve_stop
}

test_day_of_work_passes_without_mounts() {
    day_passes --mounts hide
}

test_squash_gives_everything_to_one() {
    need_root "only root may give files away"
    serve_start --listen "unix:$work/s" --ownership passthrough --squash 1234:5678
    at "unix:$work/s" put /dev/null file
    at "unix:$work/s" chown 7:7 file
    [ "$(stat -c %u:%g "$share/file")" = 1234:5678 ] || fail "$(stat "$share/file")"
    serve_stop
}

test_forbidden_user_is_refused() {
    need_root "only root may give files away"
    serve_start --listen "unix:$work/s" --ownership passthrough --uid-map forbid-guest:7:1
    at "unix:$work/s" put /dev/null file
    ! at "unix:$work/s" chown 7:7 file 2>"$work/err" || fail "it is the owner"
    ! at "unix:$work/s" --uid 7 ls 2>"$work/err" || fail "it may look"
    ! at "unix:$work/s" --uid 7 put /dev/null another 2>"$work/err" || fail "it may write"
    grep -q 'Operation not permitted' "$work/err" || fail "$(cat "$work/err")"
    serve_stop
}

test_devices_are_made_where_they_may() {
    need_root "only root may make devices"
    serve_start --listen "unix:$work/s"
    ! at "unix:$work/s" mknod null c 1 3 2>"$work/err" || fail "a device can be made"
    at "unix:$work/s" mknod pipe p
    serve_stop
    serve_start --listen "unix:$work/s" --special-files nodes
    at "unix:$work/s" mknod null c 1 3
    serve_stop
    serve_start --listen "unix:$work/s" --ownership passthrough
    at "unix:$work/s" mknod zero c 1 5
    [ -c "$share/zero" ] || fail "it is no device"
    serve_stop
}

test_umask_takes_bits_away() {
    serve_start --listen "unix:$work/s" --umask 077
    at "unix:$work/s" mkdir dir
    [ "$(stat -c %a "$share/dir")" = 700 ] || fail "$(stat "$share/dir")"
    serve_stop
}

test_msize_is_the_largest_message() {
    serve_start --listen "unix:$work/s" --msize 8192
    at "unix:$work/s" load -s 0 -n 2 -b 1M read | grep -q " size=$((8192 - 24)) " ||
        fail "messages of another size"
    serve_stop
}

test_limits_are_enforced() {
    serve_start --listen "unix:$work/s" --max-space 1 --max-files 2
    ! head -c 2M /dev/zero | at "unix:$work/s" put - large 2>"$work/err" || fail "not refused"
    grep -q 'No space left on device' "$work/err" || fail "$(cat "$work/err")"
    at "unix:$work/s" rm large
    at "unix:$work/s" mkdir a
    at "unix:$work/s" mkdir b
    ! at "unix:$work/s" mkdir c 2>"$work/err" || fail "not refused"
    serve_stop
}

run_tests "$@"
