// SPDX-License-Identifier: GPL-2.0
/* Programs that are attached by trampolines: fentry, fexit, fmod_ret, LSM. */
#include "suite.h"

struct path;

struct file {
	/* `f_path` is at another offset in each kernel. */
	struct path {
		void *mnt;
	} f_path;
} CORE;

char text[64];
volatile int never;

EMPTY("fentry/vfs_read", fentry)
EMPTY("fexit/vfs_read", fexit)
EMPTY("fentry/do_unlinkat", fentry_renamed)
EMPTY("fentry/blk_account_io_start", fentry_inlined)
EMPTY("fentry/blk_account_io_done", fentry_inlined_done)
EMPTY("fexit/finish_task_switch", fexit_suffixed)
EMPTY("fentry/get_kprobe", fentry_blacklisted)
EMPTY("fentry/exc_page_fault", fentry_noinstr)
EMPTY("fentry/sched_clock", fentry_notrace)
EMPTY("fentry/start_kernel", fentry_init)
EMPTY("fentry/s_show", fentry_ambiguous)
EMPTY("fentry/__x64_sys_openat", fentry_syscall)
EMPTY("fentry/__x64_sys_sync", fentry_alias)
EMPTY("fentry/__do_sys_sync", fentry_do_sys)
EMPTY("fentry/no_such_function", fentry_absent)
EMPTY("fexit/no_such_function", fexit_absent)
EMPTY("fentry/xfs_file_read_iter", fentry_module)
/* Seven and more arguments; the limit was raised in 6.6. */
EMPTY("fentry/ip_append_data", fentry_many_arguments)
EMPTY("fexit/__ip_append_data", fexit_many_arguments)
/* Six arguments. */
EMPTY("fentry/mmap_region", fentry_mmap_region)
EMPTY("fentry.s/__x64_sys_openat", fentry_sleepable)
EMPTY("fentry.s/vfs_read", fentry_sleepable_not_allowed)
EMPTY("fmod_ret/security_file_open", fmod_ret)
EMPTY("fmod_ret/__x64_sys_acct", fmod_ret_syscall)
EMPTY("fmod_ret/vfs_read", fmod_ret_not_modifiable)
PROGRAM("fentry.s/__x64_sys_openat", copy_from_user, bpf_copy_from_user(text, 4, 0))
PROGRAM("fentry.s/__x64_sys_openat", copy_from_user_task,
	bpf_copy_from_user_task(text, 4, 0, bpf_get_current_task_btf(), 0))
PROGRAM("fentry/filp_close", d_path, bpf_d_path(&(*(struct file **)ctx)->f_path, text, sizeof(text)))

EMPTY("lsm/file_open", lsm)
EMPTY("lsm.s/file_open", lsm_sleepable)
EMPTY("lsm.s/task_free", lsm_sleepable_not_allowed)
EMPTY("lsm/bpf_token_create", lsm_new)
EMPTY("lsm/no_such_hook", lsm_absent)
PROGRAM("lsm_cgroup/socket_create", lsm_cgroup, return 1)
PROGRAM("lsm_cgroup/no_such_hook", lsm_cgroup_absent, return 1)
