// SPDX-License-Identifier: GPL-2.0
/* kfuncs and ksyms. Each part is an object of its own, because libbpf resolves all externs of an object. */
#include "suite.h"

#define RAW "raw_tp/sys_enter"
#define EXISTS(symbol) (!!(u64)(symbol))

/* libbpf compares types, and a forward declaration differs from the kernel's struct. */
struct task_struct {
	int pid;
} CORE;

u64 result;

#if defined(KFUNC) || defined(KFUNC_WEAK) || defined(KFUNC_WEAK_UNCHECKED) || defined(KFUNC_IN_KPROBE)
/* 6.2 */
#if defined(KFUNC) || defined(KFUNC_IN_KPROBE)
extern struct task_struct *bpf_task_from_pid(int pid) KSYM;
extern void bpf_task_release(struct task_struct *task) KSYM;
#else
extern struct task_struct *bpf_task_from_pid(int pid) KSYM WEAK;
extern void bpf_task_release(struct task_struct *task) KSYM WEAK;
#endif
static __attribute__((always_inline)) int acquire(void)
{
	struct task_struct *task = bpf_task_from_pid(1);

	if (task)
		bpf_task_release(task);
	return 0;
}
#ifdef KFUNC_WEAK
PROGRAM("tp_btf/sys_enter", kfunc_checked, if (EXISTS(bpf_task_from_pid)) acquire())
#elif defined(KFUNC_IN_KPROBE)
PROGRAM("kprobe/vfs_read", kfunc_in_kprobe, acquire())
PROGRAM("xdp", kfunc_in_xdp, acquire(); return 1)
#else
PROGRAM("tp_btf/sys_enter", kfunc, acquire())
#endif

/* 6.4 */
#elif defined(KFUNC_ITERATOR)
struct bpf_iter_num {
	u64 opaque[1];
} __attribute__((aligned(8)));
extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) KSYM;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) KSYM;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) KSYM;
PROGRAM(RAW, kfunc_iterator, struct bpf_iter_num it; bpf_iter_num_new(&it, 0, 3);
	while (bpf_iter_num_next(&it)) result++;
	bpf_iter_num_destroy(&it))

#elif defined(KFUNC_ABSENT)
extern int bpf_no_such_kfunc(void) KSYM;
PROGRAM("tp_btf/sys_enter", kfunc_absent, result = bpf_no_such_kfunc())
/* A function of the kernel that is no kfunc. */
#elif defined(KFUNC_PLAIN_FUNCTION)
struct file {
	void *f_inode;
} CORE;
extern int vfs_fsync(struct file *file, int datasync) KSYM;
PROGRAM("tp_btf/sys_enter", kfunc_plain_function, result = vfs_fsync(0, 0))

/* From /proc/kallsyms. */
#elif defined(KSYM_UNTYPED)
extern const void init_task KSYM;
PROGRAM(RAW, ksym_untyped, result = (u64)&init_task)
#elif defined(KSYM_UNTYPED_ABSENT)
extern const void no_such_symbol KSYM;
PROGRAM(RAW, ksym_untyped_absent, result = (u64)&no_such_symbol)
#elif defined(KSYM_UNTYPED_WEAK)
extern const void no_such_symbol KSYM WEAK;
PROGRAM(RAW, ksym_untyped_weak, result = (u64)&no_such_symbol)
/* From the BTF, which has per-CPU variables. */
#elif defined(KSYM_TYPED) || defined(KSYM_TYPED_FORWARD)
#ifdef KSYM_TYPED
struct rq {
	int cpu;
} CORE;
#else
struct rq;
#endif
extern const struct rq runqueues KSYM;
PROGRAM(RAW, ksym_typed, USE(bpf_this_cpu_ptr(&runqueues)))
#elif defined(KSYM_TYPED_ABSENT)
extern const int no_such_variable KSYM;
PROGRAM(RAW, ksym_typed_absent, USE(bpf_this_cpu_ptr(&no_such_variable)))
#elif defined(KSYM_TYPED_WEAK)
extern const int no_such_variable KSYM WEAK;
PROGRAM(RAW, ksym_typed_weak, if (EXISTS(&no_such_variable)) USE(bpf_this_cpu_ptr(&no_such_variable)))
#endif
