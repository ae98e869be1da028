// SPDX-License-Identifier: GPL-2.0
/* Instruction sets, calls and sizes, in an object for -mcpu=v3 and one for -mcpu=v4. */
#include "suite.h"

#define RAW "raw_tp/sys_enter"

volatile u64 number;
volatile u32 small;
u64 result;

#if defined(CPU_V4)
/* 6.6 */
PROGRAM(RAW, signed_division, number = (s64)number / (s64)(number | 1))
PROGRAM(RAW, sign_extension, number = (s64)(signed char)number)
PROGRAM(RAW, sign_extending_load, number = *(volatile signed char *)&number)
PROGRAM(RAW, byte_swap, number = __builtin_bswap64(number))
#elif defined(CPU_V3)
MAP(numbers, 2, 0, 4, u32, u64);
MAP(programs, 3, 0, 1, u32, u32);

/* 4.2 */
PROGRAM("raw_tp", tail_call, bpf_tail_call(ctx, &programs, 0))
/* 5.1 */
PROGRAM(RAW, jump32, if (small > 3) result = small)
/* 3.18 */
PROGRAM(RAW, atomic_add, __sync_fetch_and_add(&result, 1))
/* 5.12 */
PROGRAM(RAW, atomic_fetch_add, number = __sync_fetch_and_add(&result, number))
PROGRAM(RAW, atomic_exchange, number = __sync_lock_test_and_set(&result, number))
PROGRAM(RAW, atomic_compare_exchange, number = __sync_val_compare_and_swap(&result, 1, number))
PROGRAM(RAW, atomic_or, __sync_fetch_and_or(&result, 1))

static NOINLINE u64 square(u64 value)
{
	asm volatile("" : "+r"(value));
	return value * value;
}

NOINLINE int cube(u32 value)
{
	asm volatile("" : "+r"(value));
	return value * value * value;
}

static NOINLINE u64 new_helper(u64 value)
{
	return value + bpf_ktime_get_tai_ns();
}

static long on_number(u32 index, void *ctx)
{
	return 0;
}

static long on_element(void *map, u32 *key, u64 *value, void *ctx)
{
	result += *value;
	return 0;
}

static long on_number_with_new_helper(u32 index, void *ctx)
{
	result += bpf_ktime_get_tai_ns();
	return 0;
}

/* 4.16, 5.6 */
PROGRAM(RAW, subprogram, result = square(number))
PROGRAM(RAW, global_subprogram, result = cube(small))
PROGRAM(RAW, subprogram_with_new_helper, result = new_helper(number))
/* 5.17, 5.13 */
PROGRAM(RAW, callback_of_loop, bpf_loop(2, on_number, 0, 0))
PROGRAM(RAW, callback_of_for_each, bpf_for_each_map_elem(&numbers, on_element, 0, 0))
PROGRAM(RAW, callback_with_new_helper, bpf_loop(2, on_number_with_new_helper, 0, 0))
/* 5.3 */
PROGRAM(RAW, bounded_loop, u32 i; _Pragma("clang loop unroll(disable)") for (i = 0; i < 100; i++) result += number)

/* The verifier refuses it everywhere, and no requirement is missing. */
PROGRAM(RAW, refused, result = *(u64 *)number)

/* More than 4096 instructions: 5.2. */
#define TIMES8(x) x x x x x x x x
#define TIMES512(x) TIMES8(TIMES8(TIMES8(x)))
PROGRAM(RAW, large, TIMES512(TIMES8(small += 3;)))
#endif
