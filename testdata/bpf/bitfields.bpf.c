/* Bit fields: every aspect, moved, widened, signed, turned into plain fields and back. Target: traps.c. */
#include "fixture.h"

struct bits {
	u32 low : 3;
	u32 high : 5;
	s32 negative : 7;
	u64 wide : 40;
	u8 byte : 1;
	_Bool flag : 1;
	u32 to_plain : 4;
	u32 from_plain;
	s32 turns_unsigned : 4;
	u32 gone : 2;
	u32 resized : 6;
} CORE;

ASPECTS(low, struct bits, low)
ASPECTS(high, struct bits, high)
ASPECTS(negative, struct bits, negative)
ASPECTS(wide, struct bits, wide)
ASPECTS(byte, struct bits, byte)
ASPECTS(flag, struct bits, flag)
ASPECTS(to_plain, struct bits, to_plain)
ASPECTS(from_plain, struct bits, from_plain)
ASPECTS(turns_unsigned, struct bits, turns_unsigned)
ASPECTS(gone, struct bits, gone)
ASPECTS(resized, struct bits, resized)

struct packed_bits {
	u64 first : 7;
	u64 across : 50;
} CORE;

/* In the target no aligned 64-bit load covers the field: libbpf gives up with E2BIG, whatever the aspect. */
PROGRAM(unreadable_offset, OFFSET(struct packed_bits, across))
PROGRAM(unreadable_exists, EXISTS(struct packed_bits, across))
PROGRAM(unreadable_neighbour, OFFSET(struct packed_bits, first))

/* How bpf_core_read.h reads a bit field. */
SEC("raw_tp") u64 read_bits(struct bits *bits)
{
	u64 value = 0;
	const void *at = (const void *)bits + OFFSET(struct bits, negative);

	switch (SIZE(struct bits, negative)) {
	case 1:
		value = *(const u8 *)at;
		break;
	case 2:
		value = *(const u16 *)at;
		break;
	case 4:
		value = *(const u32 *)at;
		break;
	case 8:
		value = *(const u64 *)at;
		break;
	}
	value <<= LSHIFT(struct bits, negative);
	if (SIGNED(struct bits, negative))
		return (s64)value >> RSHIFT(struct bits, negative);
	return value >> RSHIFT(struct bits, negative);
}

LICENSE;
