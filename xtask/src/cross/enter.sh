#!/bin/sh
# Runs a command in a chroot and in this folder, with some of the machine's folders at the same paths. Mounts need a namespace:
#   unshare --mount sh enter.sh CHROOT FOLDER... -- COMMAND...
set -e
chroot=$1
shift
while [ "$1" != -- ]; do
	mkdir -p "$chroot$1"
	mount --rbind "$1" "$chroot$1"
	shift
done
shift
exec chroot "$chroot" env --chdir="$PWD" "$@"
