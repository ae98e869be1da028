// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Counts the programs that one process executes. */
typedef unsigned char __u8;
typedef unsigned short __u16;
typedef signed int __s32;
typedef unsigned int __u32;
typedef signed long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

/* The members that are read; the loader inserts their offsets in the running kernel. */
struct task_struct {
	struct task_struct *real_parent;
	int tgid;
} __attribute__((preserve_access_index));

struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

/* Set by the program before the object is loaded. */
const volatile int parent = 0;

/* Read by the program. */
int execs = 0;
int last_pid = 0;

SEC("raw_tracepoint/sched_process_exec")
int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];

	if (BPF_CORE_READ(task, real_parent, tgid) != parent)
		return 0;
	last_pid = BPF_CORE_READ(task, tgid);
	__atomic_fetch_add(&execs, 1, __ATOMIC_RELAXED);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
