// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Counts the programs that one process executes. No header of libbpf is used. */
typedef unsigned int __u32;
typedef unsigned long long __u64;

#define SEC(name) __attribute__((section(name), used))

enum { BPF_MAP_TYPE_ARRAY = 2 };

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_probe_read_kernel)(void *to, __u32 size, const void *from) = (void *)113;

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

struct seen {
	__u32 execs;
	__u32 last_pid;
};

struct {
	int (*type)[BPF_MAP_TYPE_ARRAY];
	int (*max_entries)[1];
	__u32 *key;
	struct seen *value;
} seen SEC(".maps");

SEC("raw_tp/sched_process_exec")
int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	struct task_struct *real_parent = 0;
	__u32 zero = 0;
	int tgid = 0;
	struct seen *value = bpf_map_lookup_elem(&seen, &zero);

	if (!value)
		return 0;
	bpf_probe_read_kernel(&real_parent, sizeof(real_parent), &task->real_parent);
	bpf_probe_read_kernel(&tgid, sizeof(tgid), &real_parent->tgid);
	if (tgid != parent)
		return 0;
	bpf_probe_read_kernel(&tgid, sizeof(tgid), &task->tgid);
	value->last_pid = tgid;
	__atomic_fetch_add(&value->execs, 1, __ATOMIC_RELAXED);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
