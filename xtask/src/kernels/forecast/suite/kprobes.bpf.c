// SPDX-License-Identifier: GPL-2.0
/* Functions that a kprobe can be attached to, or not. Where it is so may differ between kernels. */
#include "suite.h"

/* Exists. */
EMPTY("kprobe/vfs_read", exists)
EMPTY("kretprobe/vfs_read", exists_return)
EMPTY("kprobe/tcp_v4_connect", exists_tcp)
EMPTY("kprobe/__x64_sys_openat", exists_syscall)
EMPTY("kprobe/vfs_read+0x0", exists_offset)
/* Between two instructions. */
EMPTY("kprobe/vfs_read+0x1", within_instruction)
/* Renamed or removed at some version. */
EMPTY("kprobe/do_unlinkat", renamed_do_unlinkat)
EMPTY("kprobe/filemap_add_folio", renamed_filemap_add_folio)
EMPTY("kprobe/folio_mark_accessed", renamed_folio_mark_accessed)
EMPTY("kprobe/__vfs_read", removed___vfs_read)
EMPTY("kprobe/cgroup_release", renamed_cgroup_release)
/* Inlined, or with a suffix of the compiler, in some kernels. */
EMPTY("kprobe/blk_account_io_start", inlined_blk_account_io_start)
EMPTY("kprobe/blk_account_io_done", inlined_blk_account_io_done)
EMPTY("kprobe/finish_task_switch", suffixed_finish_task_switch)
EMPTY("kprobe/finish_task_switch.isra.0", suffix_isra)
/* Not traceable, or on the kprobe blacklist. */
EMPTY("kprobe/get_kprobe", blacklisted_get_kprobe)
EMPTY("kprobe/do_int3", blacklisted_do_int3)
EMPTY("kprobe/exc_page_fault", noinstr_exc_page_fault)
EMPTY("kprobe/sched_clock", notrace_sched_clock)
EMPTY("kprobe/__switch_to", notrace___switch_to)
EMPTY("kprobe/start_kernel", init_start_kernel)
/* Several symbols of one address, or several addresses of one symbol. */
EMPTY("kprobe/__x64_sys_sync", alias___x64_sys_sync)
EMPTY("kprobe/__do_sys_sync", alias___do_sys_sync)
EMPTY("kprobe/__x64_sys_fork", alias___x64_sys_fork)
EMPTY("kprobe/s_show", ambiguous_s_show)
EMPTY("kprobe/t_next", ambiguous_t_next)
EMPTY("kretprobe/type_show", ambiguous_type_show)
/* Absent everywhere, in modules only, or a syscall of other architectures. */
EMPTY("kprobe/no_such_function", absent)
EMPTY("kretprobe/no_such_function", absent_return)
EMPTY("kprobe/xfs_file_read_iter", module_xfs_file_read_iter)
EMPTY("kprobe/sys_openat", absent_sys_openat)
/* Only in realtime kernels. */
EMPTY("kprobe/rt_spin_lock", realtime_rt_spin_lock)
/* libbpf attaches to none: the loader names the function. */
EMPTY("kprobe", without_target)
EMPTY("uprobe", uprobe_without_target)
EMPTY("uretprobe//bin/no_such_file:main", uprobe_with_target)
EMPTY("uprobe.s", uprobe_sleepable)
