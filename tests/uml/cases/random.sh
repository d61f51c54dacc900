# shellcheck shell=bash
# DESC: random operations on a file, each checked against an image of it in memory
# RUNS: passthrough,mapped-xattr,mapped-file,none:user passthrough:user:mmap,loose passthrough:root:none:tmpfs
# SHORT: passthrough:user passthrough:root:mmap
# shellcheck source=../lib.sh
. "$payload/lib.sh"

# allowed KIND NAME COMMAND...: the kinds of operations that this file system has at all
kinds=ioatcnsm
allowed() {
    local kind=$1 name=$2
    shift 2
    try "$name" "$@"
    [ $rc != 0 ] || kinds+=$kind
}
allowed w "shared writable mapping" "$payload/random" 1 20 iw
rm -f random-?
allowed f allocate "$payload/random" 1 20 if
rm -f random-?
allowed p "punch a hole" "$payload/random" 1 20 ip
rm -f random-?

if [ -n "$short" ]; then rounds=3 operations=400; else rounds=$((seconds * 2)) operations=2000; fi
for ((seed = 1; seed <= rounds; seed++)); do
    try "kinds io, seed $seed" "$payload/random" $seed $operations io
    rm -f random-?
    # a mapping is not the file's other users' business until it is written back
    try "kinds without a mapping, seed $seed" "$payload/random" $seed $operations ioatcns
    rm -f random-?
    try "all kinds, seed $seed" "$payload/random" $seed $operations "$kinds"
    rm -f random-?
done
