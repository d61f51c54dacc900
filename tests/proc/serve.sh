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
    refused '--security-model mapped-xattr' --security-model mapped-xattr
    refused '--msize 100' --msize 100
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

test_msize_is_the_largest_message() {
    serve_start --listen "unix:$work/s" --msize 8192
    at "unix:$work/s" load -s 0 -n 2 -b 1M read | grep -q " size=$((8192 - 24)) " ||
        fail "messages of another size"
    serve_stop
}

run_tests "$@"
