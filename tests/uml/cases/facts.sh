# shellcheck shell=bash
# DESC: what POSIX and Linux promise of names, attributes, data, directories, locks: a line for each fact
# CACHE: none loose
# SHORT: root:none user:none
# shellcheck source=../lib.sh
. "$payload/lib.sh"

# ACLs are not asked of a mount that keeps none, see `init`.
groups=()
case $cache in
loose|fscache) groups=(names open unlinked mode owner time data call list lock xattr) ;;
esac
"$payload/facts" "${groups[@]}" >&3 || fact "the end" "exit status $?"
