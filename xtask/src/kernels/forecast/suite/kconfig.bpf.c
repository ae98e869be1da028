// SPDX-License-Identifier: GPL-2.0
/* Requirements behind kconfig variables. The guest's configuration has the values of Debian's. */
#include "suite.h"

extern int LINUX_KERNEL_VERSION KCONFIG;
extern int CONFIG_HZ KCONFIG;
extern _Bool CONFIG_BPF_SYSCALL KCONFIG WEAK;
extern _Bool CONFIG_NO_SUCH_OPTION KCONFIG WEAK;

#define VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
#define RAW "raw_tp/sys_enter"

u64 result;

PROGRAM(RAW, value, result = CONFIG_HZ)
PROGRAM(RAW, helper_since_its_version,
	if (LINUX_KERNEL_VERSION >= VERSION(6, 1, 0)) result = bpf_ktime_get_tai_ns())
PROGRAM(RAW, helper_before_its_version,
	if (LINUX_KERNEL_VERSION < VERSION(6, 1, 0)) result = bpf_ktime_get_tai_ns())
PROGRAM(RAW, helper_behind_option, if (CONFIG_BPF_SYSCALL) result = bpf_ktime_get_tai_ns())
PROGRAM(RAW, helper_behind_missing_option, if (CONFIG_NO_SUCH_OPTION) result = bpf_ktime_get_tai_ns())
