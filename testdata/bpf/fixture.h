/* What the fixtures share: sections, integer types and clang's thirteen relocations by name. */
#ifndef FIXTURE_H
#define FIXTURE_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;

#define SEC(name) __attribute__((section(name), used))
#define CORE __attribute__((preserve_access_index))

/* A field of a type, as an expression that is never evaluated. */
#define AT(type, field) (((typeof(type) *)0)->field)

#define OFFSET(type, field) __builtin_preserve_field_info(AT(type, field), 0)
#define SIZE(type, field) __builtin_preserve_field_info(AT(type, field), 1)
#define EXISTS(type, field) __builtin_preserve_field_info(AT(type, field), 2)
#define SIGNED(type, field) __builtin_preserve_field_info(AT(type, field), 3)
#define LSHIFT(type, field) __builtin_preserve_field_info(AT(type, field), 4)
#define RSHIFT(type, field) __builtin_preserve_field_info(AT(type, field), 5)

#define TYPE_ID_LOCAL(type) __builtin_btf_type_id(*(typeof(type) *)0, 0)
#define TYPE_ID_TARGET(type) __builtin_btf_type_id(*(typeof(type) *)0, 1)

#define TYPE_EXISTS(type) __builtin_preserve_type_info(*(typeof(type) *)0, 0)
#define TYPE_SIZE(type) __builtin_preserve_type_info(*(typeof(type) *)0, 1)
#define TYPE_MATCHES(type) __builtin_preserve_type_info(*(typeof(type) *)0, 2)

#define ENUMVAL_EXISTS(type, value) __builtin_preserve_enum_value(*(typeof(type) *)value, 0)
#define ENUMVAL_VALUE(type, value) __builtin_preserve_enum_value(*(typeof(type) *)value, 1)

/* A program that returns one value. */
#define PROGRAM(name, value)                                                                                           \
	SEC("raw_tp") u64 name(void *ctx)                                                                              \
	{                                                                                                              \
		return value;                                                                                          \
	}

/* A program whose first relocation comes first, which the order of C's operands does not promise. */
#define IN_ORDER(name, first, second)                                                                                  \
	SEC("raw_tp") u64 name(void *ctx)                                                                              \
	{                                                                                                              \
		u64 result = first;                                                                                    \
		asm volatile("" : "+r"(result));                                                                       \
		return result + second;                                                                                \
	}

/* Two results that the optimizer must not merge. */
#define BOTH(a, b) (((u64)(a) << 32) + (u64)(b))

/* All aspects of one field; clang refuses the sign of what is no integer. */
#define UNSIGNED_ASPECTS(name, type, field)                                                                            \
	PROGRAM(name##_offset, OFFSET(type, field))                                                                    \
	PROGRAM(name##_size, SIZE(type, field))                                                                        \
	PROGRAM(name##_exists, EXISTS(type, field))                                                                    \
	PROGRAM(name##_lshift, LSHIFT(type, field))                                                                    \
	PROGRAM(name##_rshift, RSHIFT(type, field))
#define ASPECTS(name, type, field)                                                                                     \
	UNSIGNED_ASPECTS(name, type, field)                                                                            \
	PROGRAM(name##_signed, SIGNED(type, field))

#define LICENSE char LICENSE_[] SEC("license") = "Dual MIT/GPL"

#endif
