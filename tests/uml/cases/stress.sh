# shellcheck shell=bash
# DESC: stress-ng's whole file-system class with --verify, one stressor after the other
# RUNS: passthrough,mapped-xattr,mapped-file:root passthrough,none:user:mmap passthrough:user:loose:tmpfs
# shellcheck source=../lib.sh
. "$payload/lib.sh"

# Not compared: what a stressor says of its own environment; only how it ends.
stressors=$(stress-ng --class filesystem? 2>&1 | sed -n 's/.*stressors: //p')
fact "there are stressors" "$(($(wc -w <<< "$stressors") > 30))"
for s in $stressors; do
    # these fill the file system or read the kernel's own, whatever the directory is
    case $s in binderfs|procfs|sysfs|ramfs|iomix-bytes) continue ;; esac
    rc=0
    stress-ng --"$s" 2 --temp-path "$PWD" --timeout "$(((seconds + 1) / 2))s" --verify --oomable --no-rand-seed \
        > /tmp/stress.log 2>&1 || rc=$?
    case $rc in
    0) result=ok ;;
    3) result='not here' ;;             # resources, permissions or a system call are missing
    4) result='not implemented' ;;
    *) result="exit status $rc" ;;
    esac
    fact "$s" "$result"
    # its complaints, without what differs from one run to the next
    grep -aE 'fail:|error:' /tmp/stress.log | sed -E 's/^.*(fail|error): +\[[0-9]+\] //; s/0x[0-9a-f]+|[0-9]+/N/g' |
        sort -u | head -n 5 | while read -r line; do fact "$s says" "$line"; done
    cat /tmp/stress.log
    rm -rf ./tmp-stress-ng*
    [ -z "$(ls -A)" ] || fact "$s leaves" "$(ls -A | sed 's/[0-9]\+/N/g' | sort -u | tr '\n' ' ')"
    find . -mindepth 1 -delete
done
