# shellcheck shell=bash
# DESC: a repository: commits, branches, merges, a repack under way, clones, fsck
# RUNS: passthrough,mapped-xattr,mapped-file,none:user passthrough:root:loose
# SHORT: passthrough:user
# shellcheck source=../lib.sh
. "$payload/lib.sh"

git config --global user.name Tester
git config --global user.email tester@example.org
git config --global init.defaultBranch main
git config --global gc.auto 0
git config --global maintenance.auto false
git config --global advice.detachedHead false
same=()
[ "$user" = root ] || same=(--no-same-owner)
date='2020-01-01T00:00:00Z'
export GIT_AUTHOR_DATE=$date GIT_COMMITTER_DATE=$date

try init git init -q repository
cd repository || exit 1
tar "${same[@]}" -xpf "$payload/tree.tar" share include/linux/netfilter include/linux/usb
try add git add -A
try commit git commit -qm one
fact "the tree" "$(git rev-parse 'HEAD^{tree}')"
fact "the commit" "$(git rev-parse HEAD)"
try "status is clean" test -z "$(git status --porcelain)"
try branch git checkout -qb other
find include -name '*.h' -print0 | sort -z | head -z -n 40 | xargs -0 sed -i 's/struct/STRUCT/'
try "commit on a branch" git commit -qam two
try "back" git checkout -q main
git mv include/linux/usb include/linux/busses
chmod +x include/linux/netfilter/x_tables.h
try "commit of moves and modes" git commit -qam three
try merge git merge -q -m merged other
fact "the merge" "$(git rev-parse HEAD)"
try "stash" sh -c 'echo more >> include/linux/netfilter/x_tables.h && git stash -q && git stash pop -q'
try "the change is there" test "$(git status --porcelain)" = ' M include/linux/netfilter/x_tables.h'
try "reset" git reset -q --hard
try gc git gc -q
try fsck git fsck --full --strict
try clone git clone -q --no-hardlinks . ../clone
try "clone with links" git clone -q -l . ../linked
try "diff -r" diff -r --exclude=.git . ../clone
try worktree git worktree add -q ../tree other
cd ../clone || exit 1
fact "the clone" "$(git rev-parse HEAD)"
try "a push" sh -c 'echo x > new && git add new && git commit -qm new && git push -q origin HEAD:refs/heads/pushed'
try "fsck of the clone" git fsck --full
cd ..
try "rm -r" rm -rf repository clone linked tree
fact left "$(ls -A)"
