# shellcheck shell=bash disable=SC2154
# DESC: diod's client programs (Debian's diod) against the server on a unix socket, on this host
# RUNS: passthrough,mapped-xattr,mapped-file,none:root
# HOST: yes
# socket and share are `machine`'s.

command -v diodls > /dev/null || { echo "needs diod" >> "$dir/error"; exit 77; }
bad=0
passed() { echo "$1: ok" >&3; }
failed() {
    bad=1
    echo "$1: FAILED: $2"
}
# check NAME COMMAND...
check() {
    local name=$1 said
    shift
    if said=$("$@" 2>&1); then passed "$name"; else failed "$name" "$said"; fi
}
# equal NAME GOT WANTED
equal() {
    if [ "$2" = "$3" ]; then passed "$1"; else failed "$1" "'$2' is not '$3'"; fi
}
client() { "$1" -s "$socket" "${@:2}"; }

mkdir -p "$share/directory/below"
head -c 3000000 /dev/urandom > "$share/big"
: > "$share/empty"
for i in $(seq 500); do : > "$share/directory/entry-$i"; done
chmod 640 "$share/big"
touch -d '2001-02-03 04:05:06' "$share/big"

equal "diodls lists a directory" "$(client diodls -a / directory | sort)" "$(ls -A "$share/directory" | sort)"
equal "diodls -l tells a mode and a size" "$(client diodls -a / -l . | awk '$NF == "big" { print $1, $5 }')" "-rw-r-----. 3000000"
client diodcat -a / big > /tmp/big
check "diodcat reads a file" cmp /tmp/big "$share/big"
equal "diodcat reads an empty file" "$(client diodcat -a / empty | wc -c)" 0
equal "diodcat below directories" "$(cd "$share" && echo text > directory/below/file && client diodcat -a / directory/below/file)" text
equal "diodcat of nothing" "$(client diodcat -a / nothing 2>&1)" "diodcat: open nothing: No such file or directory"
client diodcat -m 4096 -a / big > /tmp/big
check "diodcat with small messages" cmp /tmp/big "$share/big"
client diodcat -u 1234 -a / big > /tmp/big
check "diodcat as another user" cmp /tmp/big "$share/big"
# Its load reads the one and writes the other, which diod itself makes up.
head -c 1048576 /dev/zero > "$share/zero"
: > "$share/null"
check "diodload" client diodload -r 1 -n 4
check "diodload of attributes" client diodload -r 1 -n 4 -g
check "it did write" test -s "$share/null"
exit $bad
