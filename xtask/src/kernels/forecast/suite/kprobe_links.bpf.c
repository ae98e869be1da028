// SPDX-License-Identifier: GPL-2.0
/* Multi-kprobes and kprobes on syscalls. */
#include "suite.h"

EMPTY("kprobe.multi/vfs_read", multi)
EMPTY("kretprobe.multi/vfs_read", multi_return)
EMPTY("kprobe.multi/vfs_*", multi_pattern)
EMPTY("kprobe.multi/no_such_*", multi_pattern_absent)
EMPTY("kprobe.multi/no_such_function", multi_absent)
EMPTY("kprobe.multi/__x64_sys_sync", multi_alias)
EMPTY("kprobe.multi/get_kprobe", multi_blacklisted)
EMPTY("kprobe.multi/sched_clock", multi_notrace)
EMPTY("kprobe.multi/s_show", multi_ambiguous)
EMPTY("kprobe.multi/do_unlinkat", multi_renamed)
EMPTY("kprobe.session/vfs_read", session)
EMPTY("uprobe.multi", uprobe_multi)
EMPTY("usdt", usdt_without_target)

EMPTY("ksyscall/openat", syscall)
EMPTY("kretsyscall/unlinkat", syscall_return)
EMPTY("ksyscall/sync", syscall_without_arguments)
EMPTY("ksyscall/sync_file_range2", syscall_not_wired)
EMPTY("ksyscall/no_such_syscall", syscall_absent)
