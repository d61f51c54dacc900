# shellcheck shell=bash
# DESC: rsync -aHAX into the share, within it and out of it, again after changes
# RUNS: passthrough,mapped-xattr:root mapped-file,none:user
# shellcheck source=../lib.sh
. "$payload/lib.sh"

same=()
[ "$user" = root ] || same=(--no-same-owner)
mkdir /tmp/from
tar -C /tmp/from "${same[@]}" -xpf "$payload/tree.tar"
ln /tmp/from/include/linux/fs.h /tmp/from/hard
setfacl -m u:1234:rw- /tmp/from/hard
ln -s include/linux/fs.h /tmp/from/symbolic
# tmpfs takes no attributes of users, so these are given inside
try "into the share" rsync -aHAX --numeric-ids /tmp/from/ one
try "nothing is left to do" test -z "$(rsync -aHAXn --itemize-changes --numeric-ids /tmp/from/ one)"
setfattr -n user.text -v 'some text' one/hard one/include
setfacl -d -m u:1234:rwx one/include
try "within the share" rsync -aHAX --numeric-ids one/ two
try "both are equal" test -z "$(rsync -aHAXnc --delete --itemize-changes --numeric-ids one/ two)"
fact "an attribute" "$(getfattr --only-values -n user.text two/hard)"
fact "hard links" "$(stat -c %h two/hard)"
try "a second name" test two/hard -ef two/include/linux/fs.h
echo more >> one/include/linux/fs.h
rm -r one/include/linux/usb
mkdir one/new
try "changes" rsync -aHAX --delete --numeric-ids one/ two
try "in place" rsync -aHAX --inplace --no-whole-file --delete --numeric-ids one/ two
try "both are equal again" test -z "$(rsync -aHAXnc --delete --itemize-changes --numeric-ids one/ two)"
try "diff -r" diff -r --no-dereference one two
try "sparse" rsync -aS one/ three
try "diff -r of the sparse" diff -r --no-dereference one three
try "out of the share" rsync -aHA --numeric-ids two/ /tmp/back
try "diff -r outside" diff -r --no-dereference two /tmp/back
try "rm -r" rm -r one two three
