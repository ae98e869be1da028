/* Enumerators: values, reordering, absence, 64-bit enums on either side. Target: traps.c. */
#include "fixture.h"

#define ENUM_ASPECTS(name, type, value)                                                                                \
	PROGRAM(name##_exists, ENUMVAL_EXISTS(type, value))                                                            \
	PROGRAM(name##_value, ENUMVAL_VALUE(type, value))

enum order { ORDER_A = 1, ORDER_B = 2, ORDER_GONE = 3, ORDER_NEGATIVE = -4 };

ENUM_ASPECTS(order_a, enum order, ORDER_A)
ENUM_ASPECTS(order_b, enum order, ORDER_B)
ENUM_ASPECTS(order_gone, enum order, ORDER_GONE)
ENUM_ASPECTS(order_negative, enum order, ORDER_NEGATIVE)

typedef enum { UNNAMED_A = 1, UNNAMED_B } unnamed_enum_t;

ENUM_ASPECTS(unnamed_b, unnamed_enum_t, UNNAMED_B)

enum wide : u64 { WIDE_LOW = 1, WIDE_HIGH = 0x100000000ULL, WIDE_TOP = 0xfedcba9876543210ULL };
enum wide_signed : s64 { WIDE_MINUS = -5, WIDE_BIG = 0x123456789LL };

ENUM_ASPECTS(wide_low, enum wide, WIDE_LOW)
ENUM_ASPECTS(wide_high, enum wide, WIDE_HIGH)
ENUM_ASPECTS(wide_top, enum wide, WIDE_TOP)
ENUM_ASPECTS(wide_minus, enum wide_signed, WIDE_MINUS)
ENUM_ASPECTS(wide_big, enum wide_signed, WIDE_BIG)

/* 32 bits here and 64 in the target, and the reverse. */
enum grown { GROWN_A = 1, GROWN_B };
enum shrunk : u64 { SHRUNK_A = 0x100000001ULL, SHRUNK_B };

ENUM_ASPECTS(grown_a, enum grown, GROWN_A)
ENUM_ASPECTS(grown_b, enum grown, GROWN_B)
ENUM_ASPECTS(shrunk_a, enum shrunk, SHRUNK_A)
PROGRAM(grown_type, TYPE_EXISTS(enum grown))
PROGRAM(grown_matches, TYPE_MATCHES(enum grown))
PROGRAM(shrunk_type, BOTH(TYPE_EXISTS(enum shrunk), TYPE_SIZE(enum shrunk)))

enum absent_enum { ABSENT_A = 7 };

ENUM_ASPECTS(absent, enum absent_enum, ABSENT_A)

/* A field whose enum grows: any enum kind may stand for any other. */
struct holds_enum {
	enum grown grown;
} CORE;

ASPECTS(field_grown, struct holds_enum, grown)

/* Two enums of this name in the target: one has the enumerator, the other has not. */
enum split { SPLIT_FIRST = 1, SPLIT_SECOND = 2 };

ENUM_ASPECTS(split_first, enum split, SPLIT_FIRST)
ENUM_ASPECTS(split_second, enum split, SPLIT_SECOND)

LICENSE;
