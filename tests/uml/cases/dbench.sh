# shellcheck shell=bash
# DESC: dbench: an office's file server, one client and four
# RUNS: passthrough,mapped-xattr,mapped-file,none:user passthrough:root:loose
# shellcheck source=../lib.sh
. "$payload/lib.sh"

for clients in 1 4; do
    try "dbench $clients" dbench -x -t "$seconds" -D "$PWD" -c /usr/share/dbench/client.txt $clients
    try "rm -r" rm -rf clients
    fact left "$(ls -A)"
done
