/* Field relocations over plain, nested, array and typedef fields. Target: traps.c. */
#include "fixture.h"

struct plain {
	long last;
	u8 byte;
	s16 half;
	u32 word;
	void *pointer;
	double real;
	_Bool flag;
	int gone;
	int to_struct;
	int to_pointer;
	int *from_int;
	int from_array;
} CORE;

ASPECTS(plain_long, struct plain, last)
ASPECTS(plain_byte, struct plain, byte)
ASPECTS(plain_half, struct plain, half)
ASPECTS(plain_word, struct plain, word)
UNSIGNED_ASPECTS(plain_pointer, struct plain, pointer)
UNSIGNED_ASPECTS(plain_real, struct plain, real)
ASPECTS(plain_flag, struct plain, flag)
ASPECTS(plain_gone, struct plain, gone)
PROGRAM(kind_int_to_struct, OFFSET(struct plain, to_struct))
PROGRAM(kind_int_to_pointer, EXISTS(struct plain, to_pointer))
PROGRAM(kind_pointer_from_int, EXISTS(struct plain, from_int))
PROGRAM(kind_int_from_array, OFFSET(struct plain, from_array))

/* The target wraps these in anonymous structs and unions, and unwraps what is wrapped here. */
struct nested {
	int outer;
	int in_union;
	int deep;
	struct {
		int unwrapped;
	};
	struct {
		int kept;
	} named;
} CORE;

ASPECTS(nested_union, struct nested, in_union)
ASPECTS(nested_deep, struct nested, deep)
ASPECTS(nested_unwrapped, struct nested, unwrapped)
ASPECTS(nested_named, struct nested, named.kept)

struct element {
	int first;
	int second;
} CORE;

struct arrays {
	int shrunk[8];
	int table[2][3];
	struct element elements[4];
	char text[16];
	int was_pointer[4];
	struct element last[];
} CORE;

PROGRAM(array_first, OFFSET(struct arrays, shrunk[0]))
PROGRAM(array_inside, OFFSET(struct arrays, shrunk[3]))
PROGRAM(array_outside, OFFSET(struct arrays, shrunk[5]))
PROGRAM(array_outside_exists, EXISTS(struct arrays, shrunk[5]))
PROGRAM(array_element_size, SIZE(struct arrays, shrunk[2]))
PROGRAM(array_two_dimensions, OFFSET(struct arrays, table[1][2]))
PROGRAM(array_row, SIZE(struct arrays, table[1]))
PROGRAM(array_of_structs, OFFSET(struct arrays, elements[2].second))
PROGRAM(array_of_structs_exists, EXISTS(struct arrays, elements[3].second))
PROGRAM(array_whole, BOTH(OFFSET(struct arrays, text), SIZE(struct arrays, text)))
PROGRAM(array_was_pointer, EXISTS(struct arrays, was_pointer[1]))
PROGRAM(flexible_element, OFFSET(struct arrays, last[7].second))
PROGRAM(flexible_size, SIZE(struct arrays, last[1]))

/* The local array is flexible; the target's is empty but not last, so it has no elements. */
struct middle {
	int count;
	int empty[];
} CORE;

PROGRAM(empty_middle_first, EXISTS(struct middle, empty[0]))
PROGRAM(empty_middle_next, OFFSET(struct middle, empty[1]))
PROGRAM(empty_middle_whole, OFFSET(struct middle, empty))

typedef struct {
	int pad;
	long value;
} CORE anonymous_t;

typedef struct plain plain_t;

PROGRAM(typedef_anonymous, OFFSET(anonymous_t, value))
PROGRAM(typedef_anonymous_exists, EXISTS(anonymous_t, pad))
PROGRAM(typedef_named, OFFSET(plain_t, word))

/* The pointer itself is indexed: the access string begins with 3. */
PROGRAM(indexed_root, __builtin_preserve_field_info(((struct element *)0)[3].second, 0))

enum shade { LIGHT, DARK };
enum other { NIGHT };

struct members {
	enum shade same_enum;
	enum other renamed_enum;
	enum { A, B } anonymous_enum;
	union {
		int one;
		long two;
	} choice;
	struct element inner;
	const volatile int qualified;
} CORE;

ASPECTS(member_enum, struct members, same_enum)
PROGRAM(member_enum_renamed, EXISTS(struct members, renamed_enum))
PROGRAM(member_enum_anonymous, EXISTS(struct members, anonymous_enum))
PROGRAM(member_union, OFFSET(struct members, choice.two))
PROGRAM(member_struct, BOTH(OFFSET(struct members, inner), SIZE(struct members, inner)))
PROGRAM(member_struct_field, OFFSET(struct members, inner.second))
PROGRAM(member_qualified, OFFSET(struct members, qualified))

struct absent {
	int field;
} CORE;

ASPECTS(absent, struct absent, field)

/* Guarded as in real programs: the poisoned half is dead code once the guard is 0. */
PROGRAM(guarded, EXISTS(struct plain, gone) ? SIZE(struct plain, gone) : SIZE(struct plain, word))

LICENSE;
