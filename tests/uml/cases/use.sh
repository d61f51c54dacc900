# shellcheck shell=bash
# DESC: what special files, programs and their bits, ACLs, shared directories are good for; odd names
# RUNS: passthrough,mapped-xattr,mapped-file,none passthrough::mmap idmap:root squash:user mapped-xattr,mapped-file::none:tmpfs
# SHORT: mapped-xattr,mapped-file:user
# shellcheck source=../lib.sh
. "$payload/lib.sh"

# as USER COMMAND...: as somebody else, if we may
as() {
    local who=$1
    shift
    if [ "$user" = root ]; then
        setpriv --reuid "$who" --regid "$who" --clear-groups --inh-caps=-all "$@"
    else
        "$@"
    fi
}
state() { stat -c '%F %a %u:%g %h' "$@" 2>&1; }

# ---- special files serve those who open them here

mkfifo fifo
echo through > fifo &
fact "a fifo hands on" "$(cat fifo)"
wait
fact "a fifo is" "$(state fifo)"
perl -MSocket -e '
    socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die "$!"; bind($s, sockaddr_un("socket")) or die "$!";
    listen($s, 1) or die "$!";
    if (!fork) {
        socket(my $c, PF_UNIX, SOCK_STREAM, 0) or die "$!"; connect($c, sockaddr_un("socket")) or die "$!";
        syswrite($c, "hello"); exit 0;
    }
    accept(my $a, $s) or die "$!"; sysread($a, my $got, 10); print "$got\n"; wait' > /tmp/said 2>&1
fact "a socket hands on" "$(cat /tmp/said)"
fact "a socket is" "$(state socket)"
if [ "$user" = root ]; then
    mknod null c 1 3
    mknod zero c 1 5
    mknod -m 600 ram b 1 200
    fact "devices" "$(state null zero ram | tr '\n' ' ') $(stat -c '%t:%T' null zero ram | tr '\n' ' ')"
    try "write to a device" dd if=zero of=null bs=1k count=4 status=none
    fact "a device without a driver" "$(cat ram 2>&1)"
fi

# ---- programs

cp /usr/bin/id program
chmod 755 program
fact "a program runs" "$(./program -u)"
chmod 711 program
fact "a program that cannot be read runs" "$(as 1001 ./program -u)"
chmod 644 program
fact "without its bit" "$(as 1001 ./program 2>&1 | sed 's/.*: //')"
chmod 6755 program
fact "set-id bits" "$(state program)"
fact "with set-id bits" "$(as 1001 ./program -u) $(as 1001 ./program -g)"
if [ "$user" = root ]; then
    chown 1002:1003 program
    fact "a new owner" "$(state program)"
    chmod 6755 program
    fact "set-id bits of the new one" "$(as 1001 ./program -u) $(as 1001 ./program -g)"
fi
printf '#!/bin/sh\necho script\n' > script
chmod 755 script
fact "a script runs" "$(./script)"
./script > script.out && mv script.out script.log
cp /usr/bin/sleep busy
./busy 100 &
victim=$!
until [ "$(readlink /proc/$victim/exe)" = "$PWD/busy" ]; do sleep 0.05; done
fact "written to while it runs" "$( (echo x > busy) 2>&1 | sed 's/.*: //')"
try "replaced while it runs" cp --remove-destination /usr/bin/id busy
kill $victim
wait $victim 2> /dev/null

# ---- who makes what, where

mkdir -m 2775 group
mkdir -m 1777 sticky
mkdir -m 3777 both
if [ "$user" = root ]; then chgrp 1003 group both; chmod 2777 group; chmod 3777 both; fi
for d in group sticky both; do
    as 1001 sh -c "umask 027; echo x > $d/file; mkdir $d/dir; ln -s x $d/link; mkfifo $d/fifo"
    for f in file dir link fifo; do fact "$f in $d" "$(state $d/$f)"; done
    try "removed by another, $d" as 1002 rm -f $d/file
    try "renamed by another, $d" as 1002 mv $d/dir $d/moved
    try "chmod by another, $d" as 1002 chmod 700 $d
    try "touched by another, $d" as 1002 touch -c $d/link
done
as 1001 sh -c 'umask 777; echo x > sticky/closed; mkdir sticky/closed-dir'
fact "made closed" "$(state sticky/closed sticky/closed-dir | tr '\n' ' ')"
try "read by its owner" as 1001 cat sticky/closed
try "opened by its owner" as 1001 chmod u+rwx sticky/closed sticky/closed-dir
try "used then" as 1001 sh -c 'cat sticky/closed && : > sticky/closed-dir/x'
try "a descriptor outlives the mode" as 1001 sh -c 'exec 9> sticky/d; chmod 0 sticky/d; echo text >&9'
fact "it has" "$(as 1001 sh -c 'chmod 600 sticky/d; cat sticky/d')"
for ids in 1001:1001 1001:1003 0:0; do
    try "owner gives $ids" as 1001 chown $ids sticky/closed
done

# ---- ACLs

if setfacl -m u:1001:rwx,m::rwx . 2> /dev/null; then
    setfacl -b .
    mkdir acl
    setfacl -m u:1001:rwx,g:1002:rx,d:u:1001:rwx,d:g:1002:rx,d:m::rwx,d:o::- acl
    as 1001 sh -c 'umask 022; echo x > acl/file; mkdir acl/dir; echo y > acl/dir/file'
    for f in acl acl/file acl/dir acl/dir/file; do
        fact "ACL of $f" "$(getfacl -cn $f 2>&1 | tr '\n' ' ') $(state $f)"
    done
    chmod 750 acl
    fact "chmod sets the mask" "$(getfacl -cn acl | tr '\n' ' ')"
    try "the mask holds" as 1001 touch acl/another
    chmod 770 acl
    try "the mask lets" as 1001 touch acl/another
    try "a group reads" as 1002 ls acl
    try "a group does not write" as 1002 touch acl/third
    setfacl -k acl
    as 1001 sh -c 'umask 022; echo x > acl/plain'
    fact "ACL of a file without" "$(getfacl -cn acl/plain | tr '\n' ' ')"
    cp -a acl acl-copy
    fact "ACL of a copy" "$(attributes acl-copy | tr '\n' ' ')"
    setfacl -bR acl
    fact "ACL removed" "$(getfacl -cn acl acl/file | tr '\n' ' ')"
fi

# ---- attributes of programs

if [ "$(stat -f -c %T . 2> /dev/null)" != tmpfs ]; then
    try "a name with a slash" setfattr -n user.a/b -v value program
    fact "it has the value" "$(getfattr --only-values -n user.a/b program)"
    try "of a fifo" setfattr -n user.a -v x fifo
    try "of the directory" setfattr -n user.a -v x sticky
    try "large" setfattr -n user.large -v "$(printf '%03000d' 0)" program
    try "smaller" setfattr -n user.large -v small program
    fact "the smaller" "$(getfattr --only-values -n user.large program)"
    try "by another" as 1001 setfattr -n user.other -v x program
    try "read by another" as 1001 getfattr -n user.large program
fi

# ---- what is open stays

exec 9> first
rm first
: > first
fact "a removed one" "$(stat -Lc '%a %u %h' /proc/self/fd/9)"
echo late >&9
for i in $(seq 300); do : > one; rm one; done
fact "after 300 more" "$(stat -Lc '%a %u %h %s' /proc/self/fd/9)"
exec 9>&-
mkdir old new
exec 9< old
try "a directory over another" mv -T new old
fact "the replaced one" "$(stat -Lc '%a %u %h' /proc/self/fd/9)"
exec 9<&-
echo one > a
ln a b
exec 9<> a
rm a
try "chmod by descriptor" chmod 604 /proc/self/fd/9
fact "the other name" "$(state b)"
exec 9>&-

# ---- odd names

for name in .virtfs_metadata2 .virtfs_metadata.x virtfs_metadata .virtfs_metadat 'a b' $'tab\t' '*' '\' ' ' \
    "$(printf '%0255d' 0)" "$(printf 'ä%.0s' $(seq 127))"; do
    try "make '${name::30}'" mkdir "$name"
    try "rename '${name::30}'" mv -T "$name" moved
    try "and back '${name::30}'" mv -T moved "$name"
    : > "$name/$name"
    chmod 604 "$name/$name"
    ln "$name/$name" "linked"
    chmod 640 linked
    fact "is '${name::30}'" "$(state "$name/$name") $(ls -A "$name")"
    rm linked
    try "remove '${name::30}'" rm -r "$name"
done
fact "left" "$(find . -mindepth 1 | sort | tr '\n' ' ')"
try "remove all" rm -r "$PWD"/*
fact "nothing is left" "$(ls -A)"
