# shellcheck shell=bash
# DESC: a tree of 1,000 files is unpacked, compared, packed, changed, removed
# RUNS: passthrough,mapped-xattr,mapped-file,none:user passthrough,mapped-xattr,mapped-file:root passthrough:root:loose:tmpfs
# shellcheck source=../lib.sh
. "$payload/lib.sh"

same=()
[ "$user" = root ] || same=(--no-same-owner)
try "unpack" tar "${same[@]}" -xpf "$payload/tree.tar"
try "unpack elsewhere" tar -C /tmp "${same[@]}" -xpf "$payload/tree.tar"
for part in include share; do
    try "diff -r $part" diff -r --no-dereference $part /tmp/$part
    sums $part > /tmp/sums.here
    sums /tmp/$part > /tmp/sums.there
    try "sums of $part" diff /tmp/sums.here /tmp/sums.there
done
try "tar --diff" tar --diff -f "$payload/tree.tar"
try "pack" tar -cf again.tar include share
mkdir again
try "unpack what was packed" tar -C again "${same[@]}" -xpf again.tar
try "diff -r of both" diff -r --no-dereference include again/include
try "find" test "$(find include | wc -l)" = "$(find /tmp/include | wc -l)"
try "du" du -s include
try "chmod -R" chmod -R go-rwx include
fact "files that others may read" "$(find include -perm /077 ! -type l | wc -l)"
try "rm -r" rm -r include share again again.tar
fact "left" "$(ls -A)"
