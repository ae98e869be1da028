/* Drops one UDP port: packets have fixed layouts, so there are no relocations. */
#include "fixture.h"

struct xdp_md {
	u32 data;
	u32 data_end;
};

#define DROPPED_PORT 9999

SEC("xdp") int drop_port(struct xdp_md *ctx)
{
	u8 *data = (u8 *)(u64)ctx->data, *end = (u8 *)(u64)ctx->data_end;

	/* Ethernet, IPv4 without options, UDP. */
	if (data + 14 + 20 + 8 > end || data[12] != 8 || data[13] != 0 || data[14] != 0x45 || data[23] != 17)
		return 2; /* XDP_PASS */
	return (data[36] << 8 | data[37]) == DROPPED_PORT ? 1 /* XDP_DROP */ : 2;
}

LICENSE;
