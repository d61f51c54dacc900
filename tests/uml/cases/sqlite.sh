# shellcheck shell=bash
# DESC: sqlite in rollback modes and WAL: transactions, two writers, a killed one, integrity
# RUNS: passthrough,mapped-xattr,mapped-file,none:user:mmap passthrough:user passthrough:root:mmap:tmpfs
# SHORT: passthrough:user:mmap
# shellcheck source=../lib.sh
. "$payload/lib.sh"

rows=300
[ -n "$short" ] || rows=$((seconds * 1000))
sql() { sqlite3 -cmd '.timeout 600000' "$@"; }
for mode in delete truncate persist memory wal; do
    db=$mode.db
    fact "$mode: the mode" "$(sql $db "pragma journal_mode=$mode" 2>&1)"
    try "$mode: a table" sql $db 'create table t (k integer primary key, v text, w integer)'
    try "$mode: many rows" sql $db "with recursive n(i) as (select 1 union all select i + 1 from n where i < $rows)
        insert into t select i, hex(i * 7919) || ' of many', 0 from n"
    # two at once, each in transactions of its own
    for w in 1 2; do
        for i in $(seq 1 25); do echo "insert into t (v, w) values ('writer $w, $i', $w);"; done |
            sql -bail $db &
        pids[w]=$!
    done
    try "$mode: one writer" wait "${pids[1]}"
    try "$mode: the other" wait "${pids[2]}"
    fact "$mode: rows" "$(sql $db 'select count(*), count(distinct k), sum(w) from t' 2>&1)"
    # killed within a transaction that has reached the disk: none of it may be seen
    mkfifo /tmp/in
    sqlite3 $db < /tmp/in > /tmp/out &
    victim=$!
    exec 5> /tmp/in
    echo "pragma cache_size=2; begin; update t set v = v || ' changed' || hex(zeroblob(200));
        select 'there';" >&5
    until [ -s /tmp/out ] || ! kill -0 $victim 2>/dev/null; do sleep 0.05; done
    kill -KILL $victim
    wait $victim 2>/dev/null
    exec 5>&-
    rm /tmp/in /tmp/out
    fact "$mode: after a kill" "$(sql $db "select count(*), sum(v like '%changed%') from t" 2>&1)"
    fact "$mode: integrity" "$(sql $db 'pragma integrity_check' 2>&1)"
    try "$mode: delete and vacuum" sql $db 'delete from t where k % 3 = 0; vacuum'
    fact "$mode: in the end" "$(sql $db 'pragma integrity_check; select count(*), min(k), max(k) from t' 2>&1 | tr '\n' ' ')"
done
