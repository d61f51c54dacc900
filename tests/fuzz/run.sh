#!/bin/bash
# Hunts with libFuzzer: for ./dev fuzz, which has built what is needed. What it learns is kept in
# build-fuzz/corpus and used the next time; an input that breaks something is left where it says.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
fuzz=$top/build-fuzz/tests/fuzz/fuzz
corpus=$top/build-fuzz/corpus
seeds=$top/tests/fuzz/seeds

usage() {
    cat <<'TEXT'
usage: ./dev fuzz [TARGET [MINUTES]]   hunt, in one target or in each (1 minute)
       ./dev fuzz TARGET FILE          run one input, and tell what is going on in it
       ./dev fuzz --coverage           which lines the inputs reach that have been found
       ./dev fuzz --list               the targets
TEXT
}

list() {
    sed -n 's/^\t{"\([a-z]*\)", "\(.*\)", fuzz_.*/\1\t\2/p' "$top/tests/fuzz/fuzz.c" | expand -t 12
}

# Exports are made in memory where that can be.
scratch=$(mktemp -d /dev/shm/xen9pfsd-fuzz.XXXXXX 2>/dev/null || mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch

hunt() { # TARGET MINUTES
    local out=$top/build-fuzz/$1.out
    mkdir -p "$corpus/$1"
    # -print_funcs=0: no process that tells the names of functions; a target closes its pipes.
    if ! FUZZ_TARGET=$1 "$fuzz" -print_funcs=0 -max_len=1024 -timeout=60 -rss_limit_mb=4096 \
        -max_total_time=$(($2 * 60)) "-artifact_prefix=$top/build-fuzz/$1-" \
        "$corpus/$1" "$seeds/$1" >"$out" 2>&1; then
        grep -vE 'NEW|REDUCE|pulse|^INFO' "$out" | head -n 60
        echo "$1: FAILED (all of it is in $out)"
        return 1
    fi
    echo "$1: $(grep '^Done' "$out"), $(find "$corpus/$1" -type f | wc -l) inputs kept"
}

coverage() {
    local program=$top/build-coverage/tests/fuzz/fuzz target
    rm -f "$scratch"/*.profraw
    for target in $(list | cut -d ' ' -f 1); do
        mkdir -p "$corpus/$target"
        LLVM_PROFILE_FILE=$scratch/$target.profraw FUZZ_TARGET=$target "$program" \
            -print_funcs=0 -runs=0 -max_len=1024 "$corpus/$target" "$seeds/$target" \
            >"$scratch/$target.out" 2>&1 || { cat "$scratch/$target.out"; exit 1; }
    done
    llvm-profdata merge -o "$scratch/all" "$scratch"/*.profraw
    cd "$top/build-coverage"
    llvm-cov report "$program" "-instr-profile=$scratch/all" \
        -ignore-filename-regex='/(tests|common)/' "${@}" |
        awk '/^Filename|^TOTAL|\.c / { print $1, $(NF - 5), $(NF - 4), $(NF - 3) }' |
        column -t
}

case ${1:-} in
--help) usage ;;
--list) list ;;
--coverage) coverage "${@:2}" ;;
'')
    status=0
    for target in $(list | cut -d ' ' -f 1); do
        hunt "$target" 1 || status=1
    done
    exit $status ;;
*)
    list | grep -q "^$1 " || { usage >&2; exit 2; }
    if [ -e "${2:-}" ]; then
        FUZZ_TRACE=1 FUZZ_TARGET=$1 "$fuzz" "$2"
    else
        hunt "$1" "${2:-1}"
    fi ;;
esac
