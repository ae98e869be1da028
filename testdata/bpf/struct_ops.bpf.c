/* A congestion control algorithm: a struct_ops map, which the kernel's own BTF describes. */
#include "fixture.h"

struct sock;
struct tcp_sock {
	u32 snd_cwnd;
	u32 snd_ssthresh;
} CORE;

struct tcp_congestion_ops {
	u32 (*ssthresh)(struct sock *sk);
	u32 (*undo_cwnd)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, u32 ack, u32 acked);
	char name[16];
};

SEC("struct_ops/fixture_ssthresh") u32 fixture_ssthresh(u64 *ctx)
{
	return ((struct tcp_sock *)ctx[0])->snd_cwnd >> 1;
}

SEC("struct_ops/fixture_undo") u32 fixture_undo(u64 *ctx)
{
	return ((struct tcp_sock *)ctx[0])->snd_ssthresh;
}

SEC("struct_ops/fixture_avoid") void fixture_avoid(u64 *ctx) {}

SEC(".struct_ops")
struct tcp_congestion_ops fixture_ops = {
	.ssthresh = (void *)fixture_ssthresh,
	.undo_cwnd = (void *)fixture_undo,
	.cong_avoid = (void *)fixture_avoid,
	.name = "fixture",
};

LICENSE;
