# shellcheck shell=bash
# surroundings.sh - for dev and the tests' scripts: what they inherit from whoever calls them is the
# same everywhere. A test that a descriptor, a locale or a umask decides is no test.
export LC_ALL=C.UTF-8 PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
unset MAKEFLAGS MFLAGS GNUMAKEFLAGS
umask 022

# All descriptors but the first three and the script's own.
for inherited in /proc/$$/fd/*; do
    inherited=${inherited##*/}
    [ "$inherited" -le 2 ] || [ "$inherited" = 255 ] || eval "exec $inherited>&-"
done
unset inherited
