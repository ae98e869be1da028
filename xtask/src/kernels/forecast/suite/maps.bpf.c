// SPDX-License-Identifier: GPL-2.0
/* Map types and flags. Each part is an object of its own, because libbpf creates all maps of an object. */
#include "suite.h"

#define RAW "raw_tp/sys_enter"

u64 value;
u32 key;

#if defined(HASH)
MAP(map, 1, 0, 8, u32, u64);
PROGRAM(RAW, hash, USE(bpf_map_lookup_elem(&map, &key)))
/* 4.6 */
#elif defined(PERCPU_HASH)
MAP(map, 5, 0, 8, u32, u64);
PROGRAM(RAW, percpu_hash, USE(bpf_map_lookup_percpu_elem(&map, &key, 0)))
/* 4.11, only with BPF_F_NO_PREALLOC */
#elif defined(LPM_TRIE)
MAP(map, 11, 1, 8, u64, u64);
PROGRAM(RAW, lpm_trie, USE(bpf_map_lookup_elem(&map, &value)))
/* 4.12 */
#elif defined(ARRAY_OF_MAPS) || defined(HASH_OF_MAPS)
struct inner {
	UINT(type, 2);
	UINT(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, u64);
};
struct {
#ifdef ARRAY_OF_MAPS
	UINT(type, 12);
#else
	UINT(type, 13);
#endif
	UINT(max_entries, 1);
	TYPE(key, u32);
	struct inner *values[];
} map SEC(".maps");
PROGRAM(RAW, inner_maps, USE(bpf_map_lookup_elem(&map, &key)))
/* 4.14 */
#elif defined(SOCKMAP)
MAP(map, 15, 0, 8, u32, u32);
PROGRAM("sk_skb/stream_verdict", sockmap, bpf_sk_redirect_map(ctx, &map, 0, 0); return 1)
/* 4.18 */
#elif defined(XSKMAP)
MAP(map, 17, 0, 8, u32, u32);
PROGRAM("xdp", xskmap, return bpf_redirect_map(&map, 0, 0))
#elif defined(SOCKHASH)
MAP(map, 18, 0, 8, u32, u32);
PROGRAM("xdp", sockhash, return 1)
/* 4.20 */
#elif defined(QUEUE)
struct {
	UINT(type, 22);
	UINT(max_entries, 8);
	TYPE(value, u64);
} map SEC(".maps");
PROGRAM(RAW, queue, bpf_map_pop_elem(&map, &value))
/* 5.1 */
#elif defined(SPIN_LOCK)
struct bpf_spin_lock {
	u32 value;
};
struct locked {
	struct bpf_spin_lock lock;
	u32 count;
};
MAP(map, 2, 0, 1, u32, struct locked);
PROGRAM("tc", spin_lock, struct locked *it = bpf_map_lookup_elem(&map, &key); if (it) {
	bpf_spin_lock(&it->lock);
	it->count++;
	bpf_spin_unlock(&it->lock);
})
/* 5.2 */
#elif defined(SK_STORAGE)
MAP(map, 24, 1, 0, u32, u64);
PROGRAM("cgroup/sock_create", sk_storage, bpf_sk_storage_get(&map, ctx, 0, 1); return 1)
/* 5.4 */
#elif defined(DEVMAP_HASH)
MAP(map, 25, 0, 8, u32, u32);
PROGRAM("xdp", devmap_hash, return bpf_redirect_map(&map, 0, 0))
/* 5.5, the flag */
#elif defined(MMAPABLE)
MAP(map, 2, 1024, 1, u32, u64);
PROGRAM(RAW, mmapable, USE(bpf_map_lookup_elem(&map, &key)))
/* 5.8 */
#elif defined(RINGBUF)
struct {
	UINT(type, 27);
	UINT(max_entries, 4096);
} map SEC(".maps");
PROGRAM(RAW, ringbuf, bpf_ringbuf_output(&map, &value, 8, 0))
/* Not used by any program: 5.8 all the same. */
#elif defined(UNUSED_RINGBUF)
struct {
	UINT(type, 27);
	UINT(max_entries, 4096);
} map SEC(".maps");
EMPTY(RAW, unused_ringbuf)
/* 5.10 */
#elif defined(INODE_STORAGE)
MAP(map, 28, 1, 0, u32, u64);
struct file {
	void *f_inode;
} CORE;
PROGRAM("lsm/file_open", inode_storage, bpf_inode_storage_get(&map, (*(struct file **)ctx)->f_inode, 0, 0))
/* 5.10, the flag */
#elif defined(INNER_MAP)
MAP(map, 2, 4096, 1, u32, u64);
PROGRAM(RAW, inner_map, USE(bpf_map_lookup_elem(&map, &key)))
/* 5.11 */
#elif defined(TASK_STORAGE)
MAP(map, 29, 1, 0, u32, u64);
PROGRAM("tp_btf/sched_switch", task_storage, USE(bpf_task_storage_get(&map, bpf_get_current_task_btf(), 0, 1)))
/* 5.15 */
#elif defined(TIMER)
struct bpf_timer {
	u64 opaque[2];
};
struct timed {
	struct bpf_timer timer;
};
MAP(map, 2, 0, 1, u32, struct timed);
PROGRAM("tc", timer, struct timed *it = bpf_map_lookup_elem(&map, &key); if (it) bpf_timer_init(&it->timer, &map, 1))
/* 5.16 */
#elif defined(BLOOM_FILTER)
struct {
	UINT(type, 30);
	UINT(max_entries, 8);
	TYPE(value, u64);
} map SEC(".maps");
PROGRAM(RAW, bloom_filter, bpf_map_peek_elem(&map, &value))
/* 6.1 */
#elif defined(USER_RINGBUF)
struct {
	UINT(type, 31);
	UINT(max_entries, 4096);
} map SEC(".maps");
static long on_message(void *dynptr, void *ctx)
{
	return 0;
}
PROGRAM("raw_tp/sys_enter", user_ringbuf, bpf_user_ringbuf_drain(&map, on_message, 0, 0))
/* 6.2 */
#elif defined(CGRP_STORAGE)
MAP(map, 32, 1, 0, u32, u64);
struct css_set {
	void *dfl_cgrp;
} CORE;
struct task_struct {
	struct css_set *cgroups;
} CORE;
PROGRAM("tp_btf/sys_enter", cgrp_storage,
	struct task_struct *task = bpf_get_current_task_btf();
	USE(bpf_cgrp_storage_get(&map, task->cgroups->dfl_cgrp, 0, 1)))
/* 6.9; the flag is BPF_F_MMAPABLE. */
#elif defined(ARENA)
struct {
	UINT(type, 33);
	UINT(map_flags, 1024);
	UINT(max_entries, 4);
} map SEC(".maps");
EMPTY("syscall", arena)
/* A type of no kernel. */
#elif defined(NO_SUCH_TYPE)
MAP(map, 99, 0, 1, u32, u64);
EMPTY(RAW, no_such_type)
/* libbpf creates one element for each CPU. */
#elif defined(PERF_EVENT_ARRAY)
MAP(map, 4, 0, 0, u32, u32);
PROGRAM(RAW, perf_event_array, bpf_perf_event_output(ctx, &map, 0xffffffff, &value, 8))
#elif defined(STACK_TRACE)
MAP(map, 7, 0, 8, u32, u64[127]);
PROGRAM("kprobe/vfs_read", stack_trace, bpf_get_stackid(ctx, &map, 0))
#endif
