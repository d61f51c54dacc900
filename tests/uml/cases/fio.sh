# shellcheck shell=bash
# DESC: fio: every way to write, what was written verified by its checksums
# RUNS: passthrough,mapped-xattr:user mapped-file,none:root:mmap passthrough:root:loose:tmpfs
# shellcheck source=../lib.sh
. "$payload/lib.sh"

# job NAME OPTION...: the file has the size it should, and each block its checksum
job() {
    local name=$1
    shift
    try "$name" fio --name=job --filename=data --size=12M --verify=crc32c --verify_fatal=1 --do_verify=1 \
        --thread --fallocate=none --output=/tmp/fio.log "$@"
    [ $rc = 0 ] || tail -n 20 /tmp/fio.log
    fact "$name: size" "$(stat -c %s data)"
    rm -f data
}
for engine in psync sync pvsync2 vsync libaio; do
    job "$engine: sequential, 64k" --ioengine=$engine --rw=write --bs=64k
    job "$engine: random, 4k" --ioengine=$engine --rw=randwrite --bs=4k
    job "$engine: random, odd sizes" --ioengine=$engine --rw=randwrite --bsrange=1k-61k --bs_unaligned
done
job "read and write, mixed" --ioengine=psync --rw=randrw --bs=8k
job "fsync after each" --ioengine=psync --rw=randwrite --bs=32k --fsync=1 --size=4M
job "O_SYNC" --ioengine=psync --rw=write --bs=32k --sync=1 --size=4M
job "O_DIRECT" --ioengine=psync --rw=randwrite --bs=16k --direct=1
job "O_DIRECT, eight at once" --ioengine=libaio --iodepth=8 --rw=randwrite --bs=16k --direct=1
job "trunk of a megabyte" --ioengine=psync --rw=write --bs=1M
job "a mapping" --ioengine=mmap --fallocate=truncate --rw=randwrite --bs=4k --size=4M
job "four threads, a region each" --ioengine=psync --rw=randwrite --bs=4k --numjobs=4 --size=3M \
    --offset_increment=3M --filesize=12M
job "opened and closed for each" --ioengine=psync --rw=write --bs=16k --nrfiles=1 --invalidate=1 \
    --openfiles=1 --file_service_type=random
