/* Programs that require much of a kernel: subprograms, a callback, maps of maps, global data, weak symbols, checks. */
#include "fixture.h"

#define KSYM __attribute__((section(".ksyms")))
#define KCONFIG __attribute__((section(".kconfig")))
#define WEAK __attribute__((weak))
#define NOINLINE __attribute__((noinline))

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static u64 (*bpf_ktime_get_ns)(void) = (void *)5;
static u64 (*bpf_get_current_cgroup_id)(void) = (void *)80;
static long (*bpf_probe_read_user)(void *to, u32 size, const void *from) = (void *)112;
static u64 (*bpf_ktime_get_boot_ns)(void) = (void *)125;
static long (*bpf_xdp_adjust_head)(void *ctx, int delta) = (void *)44;
static void *(*bpf_ringbuf_reserve)(void *map, u64 size, u64 flags) = (void *)131;
static void (*bpf_ringbuf_discard)(void *data, u64 flags) = (void *)133;
static long (*bpf_for_each_map_elem)(void *map, void *callback, void *ctx, u64 flags) = (void *)164;

/* Field types of a map definition: an array's length is the value. */
#define UINT(name, value) int(*name)[value]

struct inner {
	UINT(type, 1); /* BPF_MAP_TYPE_HASH */
	UINT(max_entries, 8);
	UINT(map_flags, 1); /* BPF_F_NO_PREALLOC */
	u32 *key;
	u64 *value;
};

struct inner hash SEC(".maps");

struct {
	UINT(type, 13); /* BPF_MAP_TYPE_HASH_OF_MAPS */
	UINT(max_entries, 8);
	UINT(key_size, 4);
	struct inner *values[];
} outer SEC(".maps");

struct {
	UINT(type, 27); /* BPF_MAP_TYPE_RINGBUF */
	UINT(max_entries, 4096);
} events SEC(".maps");

extern u64 bpf_cpumask_first(const void *mask) KSYM WEAK;
extern int LINUX_KERNEL_VERSION KCONFIG;
extern _Bool CONFIG_CGROUPS KCONFIG WEAK;

u64 total;
const volatile u32 threshold = 3;

struct task_struct {
	u64 start_boottime;
} CORE;

/* Called by programs of two sections. */
static NOINLINE u64 now(u64 *mask)
{
	if (EXISTS(struct task_struct, start_boottime))
		return bpf_ktime_get_boot_ns() + *mask;
	return bpf_ktime_get_ns();
}

static long visit(void *map, u32 *key, u64 *value, u64 *sum)
{
	*sum += *value;
	return bpf_get_current_cgroup_id() & 1;
}

SEC("kprobe/do_unlinkat+8") int with_subprogram(u64 *ctx)
{
	u32 key = 1;

	bpf_probe_read_user(&key, sizeof(key), (void *)ctx[0]);
	bpf_map_lookup_elem(&outer, &key);
	total += now(ctx) + threshold;
	return 0;
}

SEC("?fentry.s/do_unlinkat") int optional(u64 *ctx)
{
	u64 sum = 0;

	bpf_for_each_map_elem(&hash, visit, &sum, 0);
	return __sync_fetch_and_add(&total, sum);
}

SEC("raw_tp/sys_enter") int with_weak_symbols(u64 *ctx)
{
	void *event = bpf_ringbuf_reserve(&events, 8, 0);

	if (event)
		bpf_ringbuf_discard(event, 0);
	if (&bpf_cpumask_first)
		return bpf_cpumask_first(ctx);
	if (CONFIG_CGROUPS && LINUX_KERNEL_VERSION > 0x50000)
		return now(ctx);
	return 0;
}

/* A helper that only XDP has. */
SEC("tc") int with_wrong_helper(void *ctx) { return bpf_xdp_adjust_head(ctx, 4); }

/* Settings: what the loader sets before it loads the programs. */
const volatile _Bool with_cgroup = 0;
static const volatile s16 min_level = -3;
const volatile struct {
	u32 pid;
	u8 flags[4];
} filter = {.flags = {0, 0, 7, 0}};
u64 disabled;

static NOINLINE int is_wanted(u32 pid)
{
	if (!filter.pid)
		return bpf_get_current_cgroup_id() & 1;
	return filter.pid == pid;
}

SEC("raw_tp/sys_exit") int with_settings(s16 *ctx)
{
	if (with_cgroup)
		bpf_get_current_cgroup_id();
	if (ctx[0] >= min_level && min_level < 0)
		bpf_ktime_get_boot_ns();
	if (filter.flags[2] == 7)
		bpf_ktime_get_ns();
	/* A variable that programs change is not one. */
	if (disabled)
		bpf_xdp_adjust_head(ctx, 0);
	return is_wanted(ctx[1]);
}

SEC("raw_tp/sched_switch") int with_early_return(u64 *ctx)
{
	u64 sum = 0;

	if (LINUX_KERNEL_VERSION < 0x50b00)
		return 0;
	/* Its address is loaded before the loop. */
	for (u64 i = 0; i < ctx[0]; i++) {
		if (threshold > 2)
			sum += bpf_ktime_get_ns();
		if (threshold > 5)
			sum += bpf_ktime_get_boot_ns();
	}
	return sum;
}

LICENSE;
