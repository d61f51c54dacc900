# shellcheck shell=bash
# lib.sh - the vocabulary of cases. A case runs in an empty directory, and what it finds there is a
# line on descriptor 3: a fact, which has to be the same on the bare file system. Whatever else it
# prints is for people.

# fact NAME VALUE...
fact() {
    local name=$1
    shift
    echo "$name: $*" >&3
    echo "== $name: $*"
}

# try NAME COMMAND...: the fact is how the command ends; rc has its status
try() {
    local name=$1
    shift
    rc=0
    "$@" || rc=$?
    if [ $rc = 0 ]; then fact "$name" ok; else fact "$name" "exit status $rc"; fi
}

# sums DIR: names, types, modes, owners, links, times and contents of everything below. Seconds: v9fs
# sets no parts of them, see `known`.
sums() {
    (
        cd "$1" || exit
        find . \( -type f -printf '%P %y %m %U:%G %n %T@ %s\n' -o \
            -type d -printf '%P %y %m %U:%G %n %T@\n' -o -printf '%P %y %m %U:%G %n %T@ %l\n' \) |
            sed -E 's/ ([0-9]+)\.[0-9]{10}( |$)/ \1\2/' | sort
        find . -type f -print0 | sort -z | xargs -0r sha256sum
    )
}

# attributes DIR: ACLs and extended attributes of everything below
attributes() {
    (
        cd "$1" || exit
        find . ! -type l | sort | getfacl -n - 2>&1
        find . -print0 | sort -z | xargs -0 getfattr -h -d -m - -e hex 2>&1
    )
}
