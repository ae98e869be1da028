/* Kernel symbols: a typed variable and a kernel function need the kernel's own BTF, an untyped symbol does not. */
#include "fixture.h"

#define KSYM __attribute__((section(".ksyms")))

struct rq {
	unsigned int nr_running;
} CORE;

extern const struct rq runqueues KSYM;
extern const void bpf_link_fops KSYM;
extern void bpf_rcu_read_lock(void) KSYM;
extern void bpf_rcu_read_unlock(void) KSYM;

SEC("raw_tp/sys_enter") u64 untyped(void *ctx) { return (u64)&bpf_link_fops; }

SEC("raw_tp/sys_exit") u64 typed(void *ctx)
{
	const struct rq *rq = &runqueues;

	return rq->nr_running;
}

SEC("raw_tp/sched_switch") u64 calls_kernel_function(void *ctx)
{
	bpf_rcu_read_lock();
	bpf_rcu_read_unlock();
	return 0;
}

LICENSE;
