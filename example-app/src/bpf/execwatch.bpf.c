// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Sends an event to user space for each program that is executed and each process that ends.
 *
 * Loads on Linux 4.17 (raw tracepoints) and later: it uses a perf buffer instead of a ring buffer (5.8), no global
 * data (5.2), no loops (5.3), and the helpers of 5.5 only if the kernel has them.
 */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "execwatch.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} events SEC(".maps");

/* An event is larger than the 512 bytes of BPF stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct event);
} scratch SEC(".maps");

/* Before 5.5, one helper read both address spaces. After relocation, the verifier sees only one branch. */
static __always_inline long read_kernel(void *to, __u32 size, const void *from)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_probe_read_kernel))
		return bpf_probe_read_kernel(to, size, from);
	return bpf_probe_read(to, size, from);
}

static __always_inline long read_kernel_str(void *to, __u32 size, const void *from)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_probe_read_kernel_str))
		return bpf_probe_read_kernel_str(to, size, from);
	return bpf_probe_read_str(to, size, from);
}

static __always_inline long read_user(void *to, __u32 size, const void *from)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_probe_read_user))
		return bpf_probe_read_user(to, size, from);
	return bpf_probe_read(to, size, from);
}

/* Reads a member of a kernel struct, at its offset in the running kernel. */
#define READ(struct_ptr, member)                                                                   \
	({                                                                                         \
		typeof((struct_ptr)->member) value;                                                \
		read_kernel(&value, sizeof(value), &(struct_ptr)->member);                         \
		value;                                                                             \
	})

static __always_inline __u64 start_boottime(struct task_struct *task)
{
	struct task_struct___before_5_5 *old = (void *)task;

	if (bpf_core_field_exists(task->start_boottime))
		return READ(task, start_boottime);
	if (bpf_core_field_exists(old->real_start_time))
		return READ(old, real_start_time);
	return 0;
}

/* Fills the fields that both kinds of event have. */
static __always_inline struct event *new_event(__u32 kind, struct task_struct *task)
{
	__u32 zero = 0;
	struct event *event = bpf_map_lookup_elem(&scratch, &zero);
	struct task_struct *parent;
	struct cred *cred;

	if (!event)
		return 0;
	parent = READ(task, real_parent);
	cred = READ(task, cred);
	event->kind = kind;
	event->pid = READ(task, tgid);
	event->ppid = READ(parent, tgid);
	event->uid = READ(cred, uid.val);
	event->start_boottime = start_boottime(task);
	event->age = bpf_ktime_get_ns() - READ(task, start_time);
	event->exit_code = 0;
	event->args_len = 0;
	event->args_cut = 0;
	event->filename[0] = 0;
	read_kernel_str(event->comm, sizeof(event->comm), &task->comm);
	return event;
}

static __always_inline void read_args(struct event *event, struct task_struct *task)
{
	struct mm_struct *mm = READ(task, mm);
	unsigned long start, len;

	if (!mm)
		return;
	start = READ(mm, arg_start);
	len = READ(mm, arg_end) - start;
	if (len >= ARGS_MAX_BYTES) {
		len = ARGS_MAX_BYTES - 1;
		event->args_cut = 1;
	}
	/* Bounds len for old verifiers; the compiler would remove a plain `&`, because it changes nothing. */
	asm volatile("%0 &= %1" : "+r"(len) : "i"(ARGS_MAX_BYTES - 1));
	if (read_user(event->args, len, (void *)start) == 0)
		event->args_len = len;
}

static __always_inline void send(void *ctx, struct event *event)
{
	unsigned long len = event->args_len;

	asm volatile("%0 &= %1" : "+r"(len) : "i"(ARGS_MAX_BYTES - 1));
	bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, event,
			      __builtin_offsetof(struct event, args) + len);
}

/* TP_PROTO(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm) */
SEC("raw_tp/sched_process_exec")
int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	struct linux_binprm *bprm = (void *)ctx->args[2];
	struct event *event = new_event(EVENT_EXEC, task);

	if (!event)
		return 0;
	read_kernel_str(event->filename, sizeof(event->filename), READ(bprm, filename));
	read_args(event, task);
	send(ctx, event);
	return 0;
}

/* TP_PROTO(struct task_struct *p), since 6.16 with a second argument, which is unused here. */
SEC("raw_tp/sched_process_exit")
int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	struct event *event;

	/* Only the exit of a process's first thread counts. */
	if (READ(task, pid) != READ(task, tgid))
		return 0;
	event = new_event(EVENT_EXIT, task);
	if (!event)
		return 0;
	event->exit_code = READ(task, exit_code);
	send(ctx, event);
	return 0;
}

/* Required by GPL-only helpers such as bpf_perf_event_output. */
char _license[] SEC("license") = "Dual BSD/GPL";
