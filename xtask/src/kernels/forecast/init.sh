#!/bin/busybox sh
# The guest's first process: loads and attaches each program of /objects alone, with the kernel's BTF and with it hidden.
# Each part of the output begins with a line "@@ name".

export PATH=/bin
/bin/busybox --install -s /bin
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
mount -t bpf none /sys/fs/bpf
mount -t tracefs none /sys/kernel/tracing

# End the line that the firmware printed.
echo
echo "@@ own"
load_programs /objects own 2>&1
mount -t tmpfs none /sys/kernel/btf
echo "@@ embedded"
load_programs /objects embedded /minimized.btf 2>&1
echo "@@ end"
reboot -f
