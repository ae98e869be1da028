/* Every form of instruction that libbpf patches, and loads whose size follows the target's field. Target: traps.c. */
#include "fixture.h"

struct loads {
	u8 byte;
	u16 half;
	u32 word;
	u64 wide;
	u32 widened;
	u64 narrowed;
	s32 widened_signed;
	u32 turned_signed;
	void *pointer;
	u32 far_away;
	u16 odd;
	u32 gone;
} CORE;

SEC("raw_tp") u64 load_byte(struct loads *loads) { return loads->byte; }
SEC("raw_tp") u64 load_half(struct loads *loads) { return loads->half; }
SEC("raw_tp") u64 load_word(struct loads *loads) { return loads->word; }
SEC("raw_tp") u64 load_wide(struct loads *loads) { return loads->wide; }
SEC("raw_tp") u64 load_widened(struct loads *loads) { return loads->widened; }
SEC("raw_tp") u64 load_narrowed(struct loads *loads) { return loads->narrowed; }
SEC("raw_tp") u64 load_widened_signed(struct loads *loads) { return loads->widened_signed; }
SEC("raw_tp") u64 load_turned_signed(struct loads *loads) { return loads->turned_signed; }
SEC("raw_tp") u64 load_pointer(struct loads *loads) { return (u64)loads->pointer; }
SEC("raw_tp") u64 load_gone(struct loads *loads) { return loads->gone; }
/* The new offset does not fit the instruction: libbpf gives up with ERANGE. */
SEC("raw_tp") u64 load_far_away(struct loads *loads) { return loads->far_away; }
/* The new size is none that a load can have: libbpf gives up with EINVAL. */
SEC("raw_tp") u64 load_odd(struct loads *loads) { return loads->odd; }
SEC("raw_tp") u64 store_register(struct loads *loads)
{
	loads->wide = (u64)loads;
	return 0;
}
SEC("raw_tp") u64 store_widened(struct loads *loads)
{
	loads->widened = (u32)(u64)loads;
	return 0;
}
SEC("raw_tp") u64 store_immediate(struct loads *loads)
{
	loads->word = 42;
	return 0;
}
SEC("raw_tp") u64 add_immediate(struct loads *loads) { return (u64)&loads->wide; }
SEC("raw_tp") u64 add_immediate_far(struct loads *loads) { return (u64)&loads->far_away; }
PROGRAM(move_immediate, OFFSET(struct loads, wide))
PROGRAM(load_immediate_64, TYPE_SIZE(struct loads))

enum never { NEVER = 1 };

PROGRAM(load_immediate_64_poisoned, ENUMVAL_VALUE(enum never, NEVER))

/* A subprogram: libbpf relocates it whichever program is loaded. */
static __attribute__((noinline)) u64 helper(struct loads *loads)
{
	return loads->word + loads->half;
}

SEC("raw_tp") u64 calls_helper(struct loads *loads) { return helper(loads) + loads->byte; }
/* Not loaded by default, since its section begins with a question mark. */
SEC("?raw_tp") u64 not_by_default(struct loads *loads) { return loads->byte; }

LICENSE;
