/* One program of each kind, besides LSM and iterators, that loads through the kernel's own BTF only. */
#include "fixture.h"

struct sock {
	int sk_rcvbuf;
} CORE;

struct task_struct {
	int pid;
} CORE;

SEC("fentry/tcp_close") int on_entry(u64 *ctx)
{
	return ((struct sock *)ctx[0])->sk_rcvbuf;
}

SEC("fexit/tcp_close") int on_exit(u64 *ctx)
{
	return ((struct sock *)ctx[0])->sk_rcvbuf;
}

SEC("fmod_ret/security_file_open") int modify_return(u64 *ctx) { return (int)ctx[1]; }

SEC("tp_btf/sched_switch") int typed_tracepoint(u64 *ctx)
{
	return ((struct task_struct *)ctx[1])->pid;
}

/* Replaces a function of another eBPF program. */
SEC("freplace/handle") int replacement(void *ctx) { return 0; }

/* These load without kernel BTF. */
SEC("raw_tp/sched_switch") int plain_tracepoint(void *ctx) { return 0; }
SEC("kprobe/tcp_close") int plain_kprobe(void *ctx) { return 0; }
SEC("kretprobe/tcp_close") int plain_kretprobe(void *ctx) { return 0; }

LICENSE;
