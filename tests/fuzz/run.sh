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
       ./dev fuzz --coverage [SUITE...]  which lines the inputs reach that have been found,
                                       and the tests of these suites (./dev check --help)
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

# What the inputs reach, and what they and the tests reach that ./dev has run before: their profiles
# are in build-coverage/profiles. Left out is what runs on real Xen alone.
coverage() {
    local build=$top/build-coverage target
    local profiles=$build/profiles objects=() program
    mkdir -p "$profiles"
    rm -f "$profiles"/fuzz-*
    for target in $(list | cut -d ' ' -f 1); do
        mkdir -p "$corpus/$target"
        LLVM_PROFILE_FILE=$profiles/fuzz-$target.profraw FUZZ_TARGET=$target \
            "$build/tests/fuzz/fuzz" -print_funcs=0 -runs=0 -max_len=4096 \
            "$corpus/$target" "$seeds/$target" >"$scratch/$target.out" 2>&1 ||
            { cat "$scratch/$target.out"; exit 1; }
    done
    for program in tools/xen9pfs-serve tools/xen9pfs-sim xen9pfsd/xen9pfsd tests/unit/test_client; do
        [ ! -e "$build/$program" ] || objects+=("-object=$build/$program")
    done
    llvm-profdata merge -o "$scratch/inputs" "$profiles"/fuzz-*.profraw
    llvm-profdata merge -o "$scratch/all" "$profiles"/*.profraw
    cd "$build"
    llvm_cov() { # VERB PROFILE
        llvm-cov "$1" "$build/tests/fuzz/fuzz" "${objects[@]}" "-instr-profile=$2" \
            "-ignore-filename-regex=^$top/(tests|common|tools|fs)/|_xen\.c|\.h$" 2>"$scratch/complaints"
    }
    llvm_cov show "$scratch/all" |
        awk '/^[\/].*:$/ { file = $0 } /^ *[0-9]+\| +0\|/ { if (file) print file; file = ""; print }' \
            >uncovered
    { llvm_cov report "$scratch/inputs"; llvm_cov report "$scratch/all"; } | awk '
        function part(lines, missed) { return sprintf("%.1f %%", 100 * (lines - missed) / lines) }
        # The tests have a guest, a toolstack and a bus of their own: not what guests meet.
        function group_of(file) {
            if (file ~ /^proto\/client|^xenbus\/(front|toolstack|sim_|guest_sim|link_sim|store_sim)/)
                return "= for tests: client, simulation"
            if (file ~ /^xen9pfsd\/(device|runner|polling)/)
                return "= ring path: device, runner, polling"
            sub(/\/.*/, "/", file)
            return "= " file (file == "xen9pfsd/" ? ": the rest" : "")
        }
        $1 ~ /\.c$/ {
            parts = split($1, part_of, "/")
            file = part_of[parts - 1] "/" part_of[parts]
            group = group_of(file)
            lines = $8; missed = $9
            if (!(file in first)) {
                order[n++] = file; first[file] = missed; total[file] = lines
                groups[group] += lines; group_first[group] += missed
            } else {
                second[file] = missed; group_second[group] += missed
            }
        }
        END {
            print "file\tlines\tinputs\twith the tests"
            for (i = 0; i < n; i++) {
                f = order[i]
                print f "\t" total[f] "\t" part(total[f], first[f]) "\t" part(total[f], second[f])
            }
            for (g in groups)
                print g "\t" groups[g] "\t" part(groups[g], group_first[g]) "\t" \
                    part(groups[g], group_second[g])
        }' | column -t -s "$(printf '\t')" | { read -r head; echo "$head"; sort; }
    echo "lines that nothing reaches: $build/uncovered"
}

case ${1:-} in
--help) usage ;;
--list) list ;;
--coverage) coverage ;;
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
