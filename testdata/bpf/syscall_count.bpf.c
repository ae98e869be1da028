/* A per-CPU counter of system calls by number. */
#include "fixture.h"

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;

/* Field types of a map definition: an array's length is the value. */
#define UINT(name, value) int(*name)[value]

struct {
	UINT(type, 6); /* BPF_MAP_TYPE_PERCPU_ARRAY */
	UINT(max_entries, 512);
	u32 *key;
	u64 *value;
} counts SEC(".maps");

struct trace_event_raw_sys_enter {
	long id;
} CORE;

SEC("tracepoint/raw_syscalls/sys_enter") int count(struct trace_event_raw_sys_enter *ctx)
{
	u32 key = ctx->id;
	u64 *value = bpf_map_lookup_elem(&counts, &key);

	if (value)
		*value += 1;
	return 0;
}

LICENSE;
