# shellcheck shell=bash
# DESC: what POSIX and Linux promise of names, attributes, data, directories, locks: a line for each fact
# RUNS: passthrough,mapped-xattr,mapped-file,none passthrough::mmap,loose passthrough,mapped-file::none:tmpfs idmap squash:user passthrough::none:ext4:access=user passthrough:root:none:ext4:access=any squash:user:none:ext4:access=any
# SHORT: passthrough,mapped-xattr,mapped-file
# shellcheck source=../lib.sh
. "$payload/lib.sh"

# ACLs are not asked of a mount that keeps none, see `init`.
groups=()
case $cache in
loose|fscache) groups=(names open unlinked mode owner time data call list lock xattr) ;;
esac
"$payload/facts" "${groups[@]}" >&3 || fact "the end" "exit status $?"
