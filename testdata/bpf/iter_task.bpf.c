/* Walks all tasks: a BPF iterator. */
#include "fixture.h"

static long (*bpf_seq_write)(void *seq, const void *data, u32 len) = (void *)127;

struct seq_file;
struct task_struct {
	int tgid;
	int pid;
} CORE;

struct bpf_iter_meta {
	struct seq_file *seq;
	u64 session_id;
} CORE;

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} CORE;

SEC("iter/task") int dump_task(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	int pids[2];

	if (!task)
		return 0;
	pids[0] = task->tgid;
	pids[1] = task->pid;
	bpf_seq_write(ctx->meta->seq, pids, sizeof(pids));
	return 0;
}

LICENSE;
