/* Several types of one name in the target, which decide differently. Each program fails or not alone. Target: traps.c. */
#include "fixture.h"

struct moved {
	int field;
	int agreed;
} CORE;

PROGRAM(ambiguous_offset, OFFSET(struct moved, field))
PROGRAM(agreed_offset, OFFSET(struct moved, agreed))
PROGRAM(ambiguous_exists, EXISTS(struct moved, field))
PROGRAM(ambiguous_size, TYPE_SIZE(struct moved))
PROGRAM(ambiguous_id, TYPE_ID_TARGET(struct moved))
PROGRAM(ambiguous_type_exists, TYPE_EXISTS(struct moved))

struct twin {
	int field;
} CORE;

PROGRAM(duplicates_agree, OFFSET(struct twin, field))
PROGRAM(duplicates_size, TYPE_SIZE(struct twin))
PROGRAM(duplicates_id, TYPE_ID_TARGET(struct twin))

struct sized {
	u32 field;
} CORE;

/* Both candidates have the field at the same offset in different sizes: the first one's size is used. */
SEC("raw_tp") u64 first_size_wins(struct sized *sized) { return sized->field; }
PROGRAM(ambiguous_field_size, SIZE(struct sized, field))
PROGRAM(sized_offset, OFFSET(struct sized, field))

struct signs {
	u32 field;
} CORE;

PROGRAM(ambiguous_sign, SIGNED(struct signs, field))
SEC("raw_tp") u64 first_sign_wins(struct signs *signs) { return signs->field; }

enum values { VALUES_A = 1, VALUES_B };

PROGRAM(ambiguous_value, ENUMVAL_VALUE(enum values, VALUES_A))
PROGRAM(agreed_value, ENUMVAL_VALUE(enum values, VALUES_B))
PROGRAM(ambiguous_value_exists, ENUMVAL_EXISTS(enum values, VALUES_A))

/* One candidate's member has a type that matches, the other's has not. */
struct half_matching {
	long field;
};

PROGRAM(half_matching, TYPE_MATCHES(struct half_matching))
IN_ORDER(half_matching_then_size, TYPE_MATCHES(struct half_matching), TYPE_SIZE(struct half_matching))

/* A struct of the typedef's name is no candidate of the typedef. */
typedef struct {
	int field;
} CORE homonym;

PROGRAM(homonym_typedef, OFFSET(homonym, field))

LICENSE;
