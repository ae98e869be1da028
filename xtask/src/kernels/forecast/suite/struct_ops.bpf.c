// SPDX-License-Identifier: GPL-2.0
/* struct_ops: a congestion control, which is loaded with its map. Each part is an object of its own. */
#include "suite.h"

struct tcp_congestion_ops {
	u32 (*ssthresh)(void *sk);
	void (*cong_avoid)(void *sk, u32 ack, u32 acked);
	u32 (*undo_cwnd)(void *sk);
#if defined(NO_SUCH_MEMBER)
	u32 (*no_such_member)(void *sk);
#endif
	char name[16];
};

SEC("struct_ops/ssthresh") u32 ssthresh(u64 *ctx)
{
	return 2;
}

SEC("struct_ops/cong_avoid") void cong_avoid(u64 *ctx)
{
}

SEC("struct_ops/undo_cwnd") u32 undo_cwnd(u64 *ctx)
{
	return 2;
}

#if defined(NO_SUCH_TYPE)
struct no_such_ops {
	u32 (*ssthresh)(void *sk);
};
SEC(".struct_ops") struct no_such_ops control = { .ssthresh = (void *)ssthresh };
#elif defined(CONTROL) || defined(NO_SUCH_MEMBER)
SEC(".struct_ops") struct tcp_congestion_ops control = {
	.ssthresh = (void *)ssthresh,
	.cong_avoid = (void *)cong_avoid,
	.undo_cwnd = (void *)undo_cwnd,
#if defined(NO_SUCH_MEMBER)
	.no_such_member = (void *)ssthresh,
#endif
	.name = "suite",
};
#endif
