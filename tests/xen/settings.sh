# shellcheck shell=bash disable=SC2034
# settings.sh - what `lab`, `images` and `machine` share: which Debian runs inside,
# where its images live, and what the emulated machine looks like. Sourced;
# writes nothing. Every upper-case name can be overridden from the environment.

lab_src=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# LAB_SUITE: the Debian inside. The host's own release does not matter to it.
#   bookworm  Xen 4.17, Linux 6.1
#   trixie    Xen 4.20, Linux 6.12
LAB_SUITE=${LAB_SUITE:-bookworm}
case $LAB_SUITE in
bookworm) xen_version=4.17 ;;
trixie) xen_version=4.20 ;;
*) echo "lab: unknown suite '$LAB_SUITE' (bookworm or trixie)" >&2; exit 2 ;;
esac
LAB_MIRROR=${LAB_MIRROR:-http://deb.debian.org/debian}
LAB_SECURITY=${LAB_SECURITY:-http://deb.debian.org/debian-security}

# Nothing in here is precious: it is made again when it is missing.
cache=${XEN9PFSD_LAB_CACHE:-${XDG_CACHE_HOME:-/var/cache}/xen9pfsd-lab}/$LAB_SUITE
# By content, so that checkouts that differ can use the lab side by side.
img=$cache/img-$(cat "$lab_src/images" "$lab_src"/image/* | sha256sum | cut -c1-12)

# LAB_MODE=det: one emulated CPU, time counted in instructions, idle time passes
#   at once. While a case runs, the machine waits for nothing outside itself (no
#   disk, no network), so a busy host makes it slower, never different.
# LAB_MODE=par: two emulated CPUs on two threads in real time: frontend and
#   backend truly run side by side, for races. Slower, and not repeatable.
LAB_MODE=${LAB_MODE:-det}
case $LAB_MODE in
det) machine_cpus=(-smp 1 -accel 'tcg,thread=single,tb-size=512') clock=(-icount 'shift=1,sleep=off') ;;
par) machine_cpus=(-smp 2 -accel 'tcg,thread=multi,tb-size=512') clock=() ;;
*) echo "lab: LAB_MODE is det or par, not '$LAB_MODE'" >&2; exit 2 ;;
esac
# No SMAP: Debian's dom0 does not come up with it under TCG. RDRAND: without it
# the first `xl create` waits seconds for entropy.
machine_cpus+=(-cpu 'qemu64,-svm,+rdrand')
machine_mem=2048 dom0_mem=1152

# Size of the two disks that carry a tar in and a tar out. Part of the snapshot.
disk_mib=96

# A skip is for an environment that cannot run the lab at all, see README.md.
skip() { echo "lab: skipped: $*" >&2; exit 77; }
die() { echo "lab: $*" >&2; exit 2; }
# Progress for people; silent with LAB_QUIET.
note() { [ -n "${LAB_QUIET:-}" ] || echo "lab: $*" >&2; }
