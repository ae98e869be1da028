/* A small tool: which files a process opens, by syscall tracepoints whose layout CO-RE relocates. */
#include "fixture.h"

static void *(*bpf_get_current_task)(void) = (void *)35;
static long (*bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*bpf_probe_read_user_str)(void *to, u32 size, const void *from) = (void *)114;

struct trace_entry {
	unsigned short type;
	int pid;
} CORE;

struct trace_event_raw_sys_enter {
	struct trace_entry ent;
	long id;
	unsigned long args[6];
} CORE;

struct trace_event_raw_sys_exit {
	struct trace_entry ent;
	long id;
	long ret;
} CORE;

struct task_struct {
	int tgid;
	struct task_struct *real_parent;
	unsigned int flags;
} CORE;

SEC("tracepoint/syscalls/sys_enter_openat") int open_enter(struct trace_event_raw_sys_enter *ctx)
{
	char name[64] = {};

	bpf_probe_read_user_str(name, sizeof(name), (void *)ctx->args[1]);
	return name[0] + (int)ctx->args[2] + ctx->ent.pid;
}

SEC("tracepoint/syscalls/sys_exit_openat") int open_exit(struct trace_event_raw_sys_exit *ctx)
{
	struct task_struct *task = bpf_get_current_task();
	struct task_struct *parent = 0;
	int tgid = 0, parent_tgid = 0;
	unsigned int flags = 0;

	bpf_probe_read_kernel(&tgid, sizeof(tgid), &task->tgid);
	bpf_probe_read_kernel(&parent, sizeof(parent), &task->real_parent);
	bpf_probe_read_kernel(&parent_tgid, sizeof(parent_tgid), &parent->tgid);
	bpf_probe_read_kernel(&flags, sizeof(flags), &task->flags);
	return ctx->ret + ctx->id + tgid + parent_tgid + flags;
}

LICENSE;
