# shellcheck shell=dash
# work.sh - what people do on a share: the basic operations, then a source tree,
# git, a database, programs. Leaves its results for the host to look at, and
# what they should be in `sums`. /lab/tree.tar is the tree.
# shellcheck source=lib.sh
. /lab/lib.sh
load 9p
mount_share share /mnt
cd /mnt || finish

# ------------------------------------------------ what the host put there
eq host-file "$(cat from-host/deep/er/file)" "made by the host"
eq host-link "$(readlink from-host/link)" /etc/hostname
eq host-mode "$(stat -c %a:%u:%g from-host/deep/er/file)" 604:1000:100
# shellcheck source=basic.sh
. /lab/basic.sh

# ------------------------------------------------------------ a source tree
# (/bin/..., as busybox sh prefers its own applets)
mkdir -p /tmp/ram tree
/bin/tar -xf /lab/tree.tar -C /tmp/ram
t tar-extract /bin/tar -xf /lab/tree.tar -C tree
forget
t diff /bin/diff -r --no-dereference /tmp/ram tree
t tar-compare /bin/tar -df /lab/tree.tar -C tree             # modes, owners, times too

# ---------------------------------------------------------------------- git
export GIT_AUTHOR_NAME=lab GIT_AUTHOR_EMAIL=lab@example.org GIT_COMMITTER_NAME=lab GIT_COMMITTER_EMAIL=lab@example.org
t git-init git init -q --template= -b main tree
cd tree || finish
git config core.compression 1                           # zlib is slow under emulation
t git-add git add -A
t git-commit git commit -q -m "the tree"
eq git-status "$(git status --porcelain)" ""
echo more >> "$(git ls-files | head -1)"
eq git-modified "$(git status --porcelain | wc -l)" 1
t git-commit-2 git commit -q -a -m "a change"
t git-repack git repack -adq --window=1
forget
t git-fsck git fsck --full --strict
t git-clone git clone -q --template= . ../clone           # hard links
t git-diff git diff --quiet HEAD~1 HEAD -- nothing-here
eq git-log "$(git -C ../clone log --format=%s | tr '\n' ,)" "a change,the tree,"
cd ..

# ------------------------------------------- sqlite: WAL, two writers at once
eq sqlite-wal "$(sqlite3 db 'PRAGMA journal_mode=WAL; CREATE TABLE t(who, n);')" wal
writer() {
    i=0
    while [ $i -lt 10 ]; do
        echo "BEGIN IMMEDIATE; INSERT INTO t VALUES($1, $i); INSERT INTO t VALUES($1, -$i); COMMIT;"
        i=$((i + 1))
    done | sqlite3 -cmd '.timeout 600000' db
}
writer 1 & first=$!
writer 2; eq sqlite-writer-2 $? 0
wait $first; eq sqlite-writer-1 $? 0
eq sqlite-rows "$(sqlite3 db 'SELECT count(*), count(DISTINCT n), sum(n) FROM t')" "40|19|0"
eq sqlite-check "$(sqlite3 db 'PRAGMA integrity_check')" ok
eq sqlite-checkpoint "$(sqlite3 db 'PRAGMA wal_checkpoint(TRUNCATE)')" "0|0|0"

# ----------------------------------------------------------------- programs
# shellcheck disable=SC2016
printf '#!/bin/sh\necho "run as $0 with $1"\n' > script
chmod +x script
eq script "$(./script this)" "run as ./script with this"
cp /bin/diff program
forget
t program ./program -q /bin/diff program                  # a dynamic one, mapped from the share

# ------------------------------------------------------------- for the host
cp /tmp/r big
ln -s ../no/where dangling
{ (cd /tmp && md5sum r | sed 's/ r$/ big/'); (cd /bin && md5sum diff | sed 's/ diff$/ program/'); } > sums
cd /
t umount umount /mnt
finish
