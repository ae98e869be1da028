#!/bin/busybox sh
# The guest's first process: hides the kernel's BTF, if it has any, runs execwatch, and prints its events and /proc for one process. With
# modules, it loads them and reads their types, before and after the kernel's BTF is hidden.
# Each part of the output begins with a line "@@ name"; the host compares them.

export PATH=/bin
/bin/busybox --install -s /bin
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
mount -t bpf none /sys/fs/bpf
mount -t tracefs none /sys/kernel/tracing
mount -t tmpfs none /run

# End the line that the firmware printed.
echo
echo "@@ kernel"
uname -r
cat /proc/version

echo "@@ btf"
ls /sys/kernel/btf/vmlinux 2>&1

# Runs the program on a file of overlayfs.
read_modules() {
	/bin/read_modules /modules/object /modules/archive /overlay/merged/file 2>&1
	echo "status $?"
}

if [ -d /modules ]; then
	mkdir /overlay
	mount -t tmpfs none /overlay
	mkdir /overlay/lower /overlay/upper /overlay/work /overlay/merged
	echo "@@ modules"
	for module in /modules/*.ko; do insmod $module 2>&1; done
	mount -t overlay -o lowerdir=/overlay/lower,upperdir=/overlay/upper,workdir=/overlay/work none /overlay/merged 2>&1
	echo >/overlay/merged/file
	stat -c %i /overlay/upper/file
	echo "@@ modules-own"
	read_modules
fi
[ -d /sys/kernel/btf ] && mount -t tmpfs none /sys/kernel/btf
if [ -d /modules ]; then
	echo "@@ modules-hidden"
	read_modules
fi

echo "@@ plain"
execwatch --plain --once 0 2>&1
echo "status $?"

echo "@@ explain"
execwatch --explain 2>&1
echo "status $?"

if [ -n "$BTFGEN_OPTIONS" ]; then
	echo "@@ explain-opted-in"
	execwatch --explain $BTFGEN_OPTIONS 2>&1
	echo "status $?"
fi

echo "@@ explain-container"
for folder in bin lib lib64 usr proc sys dev run; do
	[ -d /$folder ] || continue
	mkdir -p /container/$folder
	mount --bind /$folder /container/$folder
done
[ -d /sys/kernel/btf ] && mount -t tmpfs none /container/sys/kernel/btf
chroot /container /bin/execwatch --explain $BTFGEN_OPTIONS 2>&1
echo "status $?"

# Watches the only child of a process; the child waits while /proc is read.
watch() {
	mkfifo /run/start /run/ready /run/end /run/said
	chmod 666 /run/ready
	(
		read -r _ </run/start
		su -s /bin/sh -c 'echo >/run/ready; read -r _; exit 7' nobody 'two words' '' 'ü' </run/end &
		echo $! >/run/pid
		wait $!
	) &
	launcher=$!
	# The process executes su, executes sh, and exits.
	execwatch --json --once 3 --timeout 120 --parent $launcher --loader $1 $BTFGEN_OPTIONS >/run/events 2>/run/said &
	watcher=$!
	exec 3</run/said
	echo "@@ said-$1"
	watching=
	while read -r line <&3; do
		echo "$line"
		[ "$line" = "execwatch: watching" ] && watching=yes && break
	done
	if [ -n "$watching" ]; then
		echo >/run/start
		exec 4>/run/end
		read -r _ </run/ready
		until [ -s /run/pid ]; do :; done
		pid=$(cat /run/pid)
		echo "@@ process-$1"
		cat /proc/$pid/stat
		grep -E '^(Name|Pid|PPid|Uid):' /proc/$pid/status
		echo "Cmdline: $(od -An -v -tx1 /proc/$pid/cmdline | tr -d '\n')"
		echo >&4
		exec 4>&-
		echo "@@ events-$1"
		while read -r line <&3; do echo "$line"; done
		wait $watcher
		status=$?
		cat /run/events
	else
		wait $watcher
		status=$?
		kill $launcher
	fi
	echo "status $status"
	exec 3<&-
	rm -f /run/*
}

watch libbpf
watch aya

echo "@@ end"
reboot -f
