/* A small tool: latency of block requests by disk, over the change of raw tracepoint arguments in 5.11. */
#include "fixture.h"

static u64 (*bpf_ktime_get_ns)(void) = (void *)5;
static long (*bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;

struct gendisk {
	int major;
	int first_minor;
} CORE;

struct request_queue {
	struct gendisk *disk;
} CORE;

struct request {
	struct request_queue *q;
	unsigned int cmd_flags;
	u64 start_time_ns;
	u64 io_start_time_ns;
} CORE;

struct request___with_disk {
	struct gendisk *rq_disk;
} CORE;

typedef void (*btf_trace_block_rq_issue)(void *data, struct request *rq);

static inline struct gendisk *disk_of(struct request *rq)
{
	struct request_queue *q = 0;
	struct gendisk *disk = 0;

	if (EXISTS(struct request___with_disk, rq_disk)) {
		struct request___with_disk *flavored = (void *)rq;

		bpf_probe_read_kernel(&disk, sizeof(disk), &flavored->rq_disk);
		return disk;
	}
	bpf_probe_read_kernel(&q, sizeof(q), &rq->q);
	bpf_probe_read_kernel(&disk, sizeof(disk), &q->disk);
	return disk;
}

SEC("raw_tp/block_rq_issue") int issue(u64 *ctx)
{
	struct request *rq = (void *)(TYPE_MATCHES(btf_trace_block_rq_issue) ? ctx[0] : ctx[1]);
	unsigned int flags = 0;

	bpf_probe_read_kernel(&flags, sizeof(flags), &rq->cmd_flags);
	return flags & 0xff;
}

SEC("raw_tp/block_rq_complete") int complete(u64 *ctx)
{
	struct request *rq = (void *)ctx[0];
	struct gendisk *disk = disk_of(rq);
	int major = 0, minor = 0;
	u64 start = 0;

	bpf_probe_read_kernel(&start, sizeof(start), &rq->io_start_time_ns);
	bpf_probe_read_kernel(&major, sizeof(major), &disk->major);
	bpf_probe_read_kernel(&minor, sizeof(minor), &disk->first_minor);
	return bpf_ktime_get_ns() - start + major + minor;
}

LICENSE;
