#!/bin/bash
# Instructions of the hot path: what the engine and the local driver execute of their own for a
# request, from its bytes to its reply (no library, no kernel), counted by callgrind. So it is the same
# on every machine that has the same compiler, and no noise hides what a change costs.
#
# hot_path.bounds holds what was counted, by compiler and kind; more than 3 % above it is a failure.
# Who wants it that way writes down what it is now:  tests/cost/hot_path.sh --record
# A compiler that is not recorded there judges nothing. Also told: what surviving a kill costs
# ("durable" on against off), in instructions and in CPU time.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$(cd "${BUILD_DIR:-${top_builddir:-$top/build}}" && pwd)
program=$build/tests/cost/hot_path
bounds=$top/tests/cost/hot_path.bounds
kinds=(read write getattr walk)
requests=1000
allowed=3   # %
durable_mark=5 # %
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

command -v valgrind >/dev/null || { echo "skipped: valgrind is not installed"; exit 77; }

# What callgrind counted in the program itself, for one request. Behind "calls=" stands a line that
# sums up others.
own_instructions() { # FILE
    awk -v requests=$requests '
        /^ob=/ {
            split($0, part, /[()]/)
            if ($0 ~ /\) /) own[part[2]] = /\/hot_path$/
            mine = own[part[2]]
            next
        }
        /^cob=.*\) / { split($0, part, /[()]/); own[part[2]] = /\/hot_path$/ }
        /^calls=/ { getline; next }
        /^[-+*0-9]/ && mine { sum += $2 }
        END { printf "%d", sum / requests + 0.5 }' "$1"
}

# count KIND on|off
count() {
    LD_PRELOAD=$work/under_valgrind.so valgrind -q --tool=callgrind \
        --toggle-collect=cost_counted --callgrind-out-file="$work/out" \
        "$work/hot_path" count "$work/export" "$1" "$2" $requests >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
    own_instructions "$work/out"
}

percent() { # A B: how much more A is
    awk -v a="$1" -v b="$2" 'BEGIN { printf "%+.1f", (a / b - 1) * 100 }'
}

is_above() { # PERCENT LIMIT
    awk -v p="$1" -v limit="$2" 'BEGIN { exit !(p > limit) }'
}

recorded() { # KIND
    awk -v compiler="$compiler" -v kind="$1" '$1 == compiler && $2 == kind { print $3 }' "$bounds"
}

compiler=$("$program" compiler | grep -oE '^(gcc|clang)-[0-9]+' || echo other)-$(uname -m)
case $compiler in
other-*) echo "skipped: a build for debugging or for tests"; exit 77 ;;
esac
"${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -shared -fPIC -o "$work/under_valgrind.so" \
    "$top/tests/lib/under_valgrind.c"

mkdir "$work/export"
head -c 64K /dev/zero >"$work/export/file"
# valgrind 3.19 gives up on the debug information of clang.
strip --strip-debug -o "$work/hot_path" "$program"

declare -A instructions
printf '%-8s %12s %9s %8s %12s %10s\n' kind instructions recorded '' 'durable' 'its CPU'
failed=0 judged=0
for kind in "${kinds[@]}"; do
    instructions[$kind]=$(count "$kind" on)
    off=$(count "$kind" off)
    before=$(recorded "$kind")
    change=
    [ -z "$before" ] || { change=$(percent "${instructions[$kind]}" "$before"); judged=1; }
    read -r ratio _ _ us < <("$program" time "$work/export" "$kind")
    extra=$(percent "${instructions[$kind]}" "$off")
    printf '%-8s %12d %9s %8s %12s %10s   %s us\n' "$kind" "${instructions[$kind]}" \
        "${before:--}" "${change:+$change %}" "$extra %" "$(percent "$ratio" 1) %" "$us"
    if is_above "$extra" $durable_mark || is_above "$(percent "$ratio" 1)" $durable_mark; then
        echo "  (surviving a kill is to cost less than $durable_mark %)"
    fi
    if [ -n "$change" ] && is_above "$change" $allowed; then
        echo "  FAIL: $allowed % more are allowed. Where they are: callgrind_annotate of"
        echo "  valgrind --tool=callgrind --toggle-collect=cost_counted $program count DIR $kind on $requests"
        failed=1
    fi
done

if [ "${1:-}" = --record ]; then
    touch "$bounds"
    {
        grep -v "^$compiler " "$bounds" || true
        for kind in "${kinds[@]}"; do
            echo "$compiler $kind ${instructions[$kind]}"
        done
    } | LC_ALL=C sort >"$work/bounds"
    cp "$work/bounds" "$bounds"
    echo "recorded for $compiler"
    exit 0
fi
[ $judged = 1 ] || { echo "skipped: nothing is recorded for $compiler"; exit 77; }
[ $failed = 0 ] || echo "FAIL hot path ($compiler); if it is to be so: tests/cost/hot_path.sh --record"
exit $failed
