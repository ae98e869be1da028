// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Stores the last exit code of a child by its parent. */
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
	int exit_code;
} __attribute__((preserve_access_index));

struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

struct {
	__uint(type, 1 /* BPF_MAP_TYPE_HASH */);
	__uint(max_entries, 4096);
	__type(key, int);
	__type(value, __u64);
} exits SEC(".maps");

SEC("raw_tracepoint/sched_process_exit")
int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	int parent = BPF_CORE_READ(task, real_parent, tgid);
	__u64 code = BPF_CORE_READ(task, exit_code) >> 8;

	bpf_map_update_elem(&exits, &parent, &code, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
