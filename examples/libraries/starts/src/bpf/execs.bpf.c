// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Counts executed programs by the process that is their parent. */
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

struct task_struct {
	struct task_struct *real_parent;
	int tgid;
} __attribute__((preserve_access_index));

struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

struct {
	__uint(type, 1 /* BPF_MAP_TYPE_HASH */);
	__uint(max_entries, 4096);
	__type(key, int);
	__type(value, __u64);
} execs SEC(".maps");

SEC("raw_tracepoint/sched_process_exec")
int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	int parent = BPF_CORE_READ(task, real_parent, tgid);
	__u64 one = 1, *count = bpf_map_lookup_elem(&execs, &parent);

	if (count)
		__atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
	else
		bpf_map_update_elem(&execs, &parent, &one, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
