/* Flavors: the last ___ separates one, on local types, on the target's types and on enumerators. Target: traps.c. */
#include "fixture.h"

struct flavored___v1 {
	int old_name;
} CORE;

struct flavored___v2 {
	int new_name;
} CORE;

PROGRAM(old_flavor, EXISTS(struct flavored___v1, old_name))
PROGRAM(old_flavor_offset, OFFSET(struct flavored___v1, old_name))
PROGRAM(new_flavor, EXISTS(struct flavored___v2, new_name))
PROGRAM(new_flavor_offset, OFFSET(struct flavored___v2, new_name))

/*
 * Its essential name is twice___cut. The target's names are cut too, so neither `struct twice___cut` (twice) nor `struct
 * twice` is a candidate: only `struct twice___cut___there` is.
 */
struct twice___cut___here {
	int field;
} CORE;

PROGRAM(last_separator, OFFSET(struct twice___cut___here, field))
PROGRAM(last_separator_size, TYPE_SIZE(struct twice___cut___here))

/* Four underscores separate nothing. */
struct four____underscores {
	int field;
} CORE;

PROGRAM(no_separator, OFFSET(struct four____underscores, field))

/* Too short a rest, or none, separates nothing either. */
struct trailing___ {
	int field;
} CORE;

PROGRAM(trailing, OFFSET(struct trailing___, field))

/* The target has only flavors of it, which agree. */
struct shared {
	int field;
} CORE;

PROGRAM(target_flavors, OFFSET(struct shared, field))
PROGRAM(target_flavors_exist, TYPE_EXISTS(struct shared))

enum level___mine { LOUD___mine = 5, QUIET___mine = 6 };

PROGRAM(enumerator_flavor, ENUMVAL_VALUE(enum level___mine, LOUD___mine))
PROGRAM(enumerator_flavor_exists, ENUMVAL_EXISTS(enum level___mine, QUIET___mine))

typedef int number___mine;

PROGRAM(typedef_flavor, TYPE_EXISTS(number___mine))
PROGRAM(typedef_flavor_size, TYPE_SIZE(number___mine))

/* Fields keep their whole names: a member's name has no flavor in field relocations. */
struct member_flavor {
	int field___mine;
} CORE;

PROGRAM(member_has_no_flavor, EXISTS(struct member_flavor, field___mine))
/* ... but matching types compares the members' essential names. */
PROGRAM(member_matches_by_flavor, TYPE_MATCHES(struct member_flavor))

LICENSE;
