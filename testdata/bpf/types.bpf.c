/* Type relocations over every kind of root, and what compatibility and matching read of it. Target: traps.c. */
#include "fixture.h"

#define TYPE_ASPECTS(name, type)                                                                                       \
	PROGRAM(name##_type_exists, TYPE_EXISTS(type))                                                                 \
	PROGRAM(name##_type_size, TYPE_SIZE(type))                                                                     \
	PROGRAM(name##_type_matches, TYPE_MATCHES(type))                                                               \
	PROGRAM(name##_id_local, TYPE_ID_LOCAL(type))                                                                  \
	PROGRAM(name##_id_target, TYPE_ID_TARGET(type))

struct forward;
struct pointee {
	int known;
};

struct root_struct {
	int number;
	struct pointee *to_full;
	struct forward *to_forward;
};

struct unmatched_member {
	int number;
	long missing;
};

struct changed_member {
	int number;
};

union root_union {
	int one;
	long two;
};

struct was_union {
	int one;
};

enum root_enum { ROOT_A, ROOT_B };
enum smaller_enum { SMALLER_A, SMALLER_B, SMALLER_GONE };

typedef int plain_int_t;
typedef int to_struct_t;
typedef struct root_struct struct_t;
typedef struct {
	int number;
} unnamed_t;
typedef int array_t[4];
typedef int array_of_other_length_t[4];
typedef int (*callback_t)(struct root_struct *self, int number, const char *text);
typedef int (*fewer_parameters_t)(struct root_struct *self);
typedef int (*other_parameter_t)(struct root_struct *self, int number);
typedef void (prototype_t)(int number);
typedef struct forward *forward_pointer_t;
typedef struct now_complete *now_complete_pointer_t;
typedef struct now_forward *now_forward_pointer_t;
typedef void *void_pointer_t;
typedef struct pointee **pointer_pointer_t;
typedef enum root_enum enum_t;
typedef const volatile struct root_struct qualified_t;
typedef u64 wide_int_t;
typedef double real_t;
typedef float to_real_t;

struct now_complete;
struct now_forward {
	int number;
};

struct missing_everywhere {
	int field;
};

TYPE_ASPECTS(root_struct, struct root_struct)
TYPE_ASPECTS(unmatched_member, struct unmatched_member)
TYPE_ASPECTS(changed_member, struct changed_member)
TYPE_ASPECTS(root_union, union root_union)
TYPE_ASPECTS(was_union, struct was_union)
TYPE_ASPECTS(root_enum, enum root_enum)
TYPE_ASPECTS(smaller_enum, enum smaller_enum)
TYPE_ASPECTS(plain_int, plain_int_t)
TYPE_ASPECTS(to_struct, to_struct_t)
TYPE_ASPECTS(struct_typedef, struct_t)
TYPE_ASPECTS(unnamed, unnamed_t)
TYPE_ASPECTS(array, array_t)
TYPE_ASPECTS(array_of_other_length, array_of_other_length_t)
TYPE_ASPECTS(callback, callback_t)
TYPE_ASPECTS(fewer_parameters, fewer_parameters_t)
TYPE_ASPECTS(other_parameter, other_parameter_t)
TYPE_ASPECTS(prototype, prototype_t)
TYPE_ASPECTS(forward_pointer, forward_pointer_t)
TYPE_ASPECTS(now_complete_pointer, now_complete_pointer_t)
TYPE_ASPECTS(now_forward_pointer, now_forward_pointer_t)
TYPE_ASPECTS(void_pointer, void_pointer_t)
TYPE_ASPECTS(pointer_pointer, pointer_pointer_t)
TYPE_ASPECTS(enum_typedef, enum_t)
TYPE_ASPECTS(qualified, qualified_t)
TYPE_ASPECTS(wide_int, wide_int_t)
TYPE_ASPECTS(real, real_t)
TYPE_ASPECTS(to_real, to_real_t)
TYPE_ASPECTS(missing, struct missing_everywhere)

/* Matching behind a pointer stops at the name, so what these point to may differ. */
struct self {
	struct self *next;
	int (*visit)(struct self *self, union root_union *choice);
	enum root_enum mood;
	struct pointee inner;
	struct pointee many[2];
};

TYPE_ASPECTS(self, struct self)

/* An enumerator's value is read by no match, its name and the enum's size are. */
enum size_differs { SIZE_DIFFERS_A };
TYPE_ASPECTS(size_differs, enum size_differs)

LICENSE;
