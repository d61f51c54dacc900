# shellcheck shell=bash
# DESC: cp -a with ACLs and extended attributes, moves, links of both kinds, holes
# RUNS: passthrough,mapped-xattr,mapped-file,none idmap:root squash:user
# SHORT: passthrough,mapped-xattr,mapped-file:root
# shellcheck source=../lib.sh
. "$payload/lib.sh"

mkdir from from/sub from/default
echo one > from/one
echo two > from/sub/two
ln from/one from/linked
ln -s sub/two from/symbolic
ln -s /nowhere from/dangling
mkfifo from/fifo
truncate -s 3M from/hole
echo end >> from/hole
chmod 4751 from/one
chmod 2770 from/sub
chmod 1777 from/default
touch -d '2001-02-03 04:05:06.123456789' from/sub/two
touch -h -d '1999-09-09 09:09:09.999999999' from/symbolic
if [ "$user" = root ]; then
    mknod from/null c 1 3
    mknod from/disk b 300 70000
    chown 1234:4321 from/sub/two
    chown -h 65000:65001 from/symbolic
fi
try "an ACL" setfacl -m u:1234:rw-,g:2000:r-x,m::rwx from/one
try "a default ACL" setfacl -d -m u:1234:rwx,g:2000:r-x,o::--- from/default
echo inherited > from/default/file
mkdir from/default/dir
try "an attribute" setfattr -n user.text -v 'a text' from/one
try "an empty one" setfattr -n user.empty from/one
try "a binary one" setfattr -n user.binary -v 0x00ff0041 from/sub
try "one of 3,000 bytes" setfattr -n user.large -v "$(head -c 3000 /dev/zero | tr '\0' x)" from/sub/two
try "one that is replaced" setfattr -n user.text -v other from/one
try "an attribute of a symbolic link" setfattr -h -n user.text -v x from/symbolic

# compare NAME DIR: all about the two trees is equal
compare() {
    sums from > /tmp/from.sums
    sums "$2" > /tmp/to.sums
    try "$1: tree" diff /tmp/from.sums /tmp/to.sums
    attributes from > /tmp/from.attributes
    attributes "$2" > /tmp/to.attributes
    try "$1: ACLs and attributes" diff /tmp/from.attributes /tmp/to.attributes
}
try "cp -a" cp -a from to
compare "cp -a" to
try "cp -a out" cp -a from /tmp/outside
compare "cp -a out" /tmp/outside
try "cp -a in" cp -a /tmp/outside inside
compare "cp -a in" inside
try "mv" mv to moved
compare "mv" moved
try "cp without a hole" cp --sparse=never from/hole full
try "cp with a hole" cp --sparse=always full sparse
try "they are equal" cmp full sparse
fact "blocks of a hole" "$(($(stat -c %b sparse) < 1000))"
try "cp --reflink" cp --reflink=always full clone
try "cp -l" cp -al from hard
fact "links" "$(stat -c %h from/one)"

# each NAME: every line that comes is a fact
each() {
    while read -r line; do fact "$1: $line" is; done
}
(cd from && find . ! -type d -printf '%P %y %m %U:%G %n %s %l\n' | sort) | each object
(cd from && find . -type d -printf '%P %m %U:%G %n\n' | sort) | each directory
attributes from | each attribute
try "rm -r" rm -r from moved inside hard
fact "left" "$(find . | sort | tr '\n' ' ')"
