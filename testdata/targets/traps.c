/*
 * The target of the trap fixtures, in three units that are joined without deduplication: types of one name in two units
 * stay two types, as happens in real kernels whose deduplication could not merge them.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;

#define GLUE_(a, b, c) a##_##b##_##c
#define GLUE(a, b, c) GLUE_(a, b, c)
/* A variable makes clang describe its type. */
#define HAVE(type) typeof(type) GLUE(have, UNIT, __COUNTER__);

#if UNIT == 1

/* fields.bpf.c */
struct point {
	int x, y;
};

struct plain {
	u8 byte;
	u32 word;
	char moved_by[40];
	s16 half;
	long last;
	double real;
	void *pointer;
	_Bool flag;
	struct point to_struct;
	int *to_pointer;
	int from_int;
	int from_array[2];
};
HAVE(struct plain)

struct nested {
	long before;
	union {
		int in_union;
		long other_in_union;
		struct {
			int first_in_struct;
			union {
				char also;
				struct {
					int padding;
					int deep;
				};
			};
		};
	};
	int outer;
	int unwrapped;
	struct {
		char pad;
		int kept;
	} named;
};
HAVE(struct nested)

struct element {
	long grown;
	int first;
	int second;
};
struct arrays {
	char pad[3];
	int shrunk[4];
	int table[2][3];
	struct element elements[3];
	char text[32];
	int *was_pointer;
	struct element last[];
};
HAVE(struct arrays)

struct middle {
	int count;
	int empty[0];
	long behind;
};
HAVE(struct middle)

typedef struct {
	long value;
	int pad;
} anonymous_t;
HAVE(anonymous_t)
typedef const struct plain plain_t;
HAVE(plain_t *)

enum shade { LIGHT = 10, DARK = 20 };
enum renamed { NIGHT = 1 };
struct members {
	int before;
	enum shade same_enum;
	enum renamed renamed_enum;
	enum shade anonymous_enum;
	union {
		long two;
		char one[4];
	} choice;
	struct element inner;
	const int *const pointer;
	int qualified;
};
HAVE(struct members)

/* bitfields.bpf.c */
struct bits {
	u32 before : 9;
	u32 high : 6;
	u32 low : 2;
	s32 negative : 11;
	u64 pad : 17;
	u64 wide : 33;
	u8 byte : 2;
	_Bool flag : 1;
	u32 to_plain;
	u32 from_plain : 12;
	u32 turns_unsigned : 4;
	u16 resized : 6;
};
HAVE(struct bits)
struct __attribute__((packed)) packed_bits {
	u64 first : 7;
	u64 across : 60;
};
HAVE(struct packed_bits)

/* flavors.bpf.c */
struct flavored {
	long pad;
	int new_name;
};
HAVE(struct flavored)
struct twice {
	int field;
};
HAVE(struct twice)
struct twice___cut {
	int pad;
	int field;
};
HAVE(struct twice___cut)
struct twice___cut___there {
	long pad;
	long more;
	int field;
};
HAVE(struct twice___cut___there)
struct four {
	int field;
};
HAVE(struct four)
struct four____underscores {
	long pad;
	int field;
};
HAVE(struct four____underscores)
struct trailing {
	int field;
};
HAVE(struct trailing)
struct trailing___ {
	long pad;
	int field;
};
HAVE(struct trailing___)
struct shared___2 {
	long pad;
	int field;
};
HAVE(struct shared___2)
struct shared___3 {
	long other_pad;
	int field;
	int more;
};
HAVE(struct shared___3)
enum level { QUIET = 1, LOUD = 2 };
HAVE(enum level)
typedef long number;
HAVE(number)
struct member_flavor {
	int field;
	int field___other;
};
HAVE(struct member_flavor)

/* insns.bpf.c */
struct __attribute__((packed)) three_bytes {
	char bytes[3];
};
struct loads {
	u32 word;
	u8 pad;
	u8 byte;
	u16 half;
	u64 more[3];
	u64 wide;
	u64 widened;
	u32 narrowed;
	s64 widened_signed;
	s32 turned_signed;
	void *pointer;
	unsigned __int128 odd;
	char filler[40000];
	u32 far_away;
};
HAVE(struct loads)

#endif

#if UNIT == 2

/* types.bpf.c */
struct forward;
struct pointee {
	int known;
};
union root_union {
	long two;
	int one;
	char three;
};
struct root_struct {
	long first;
	struct forward *to_forward;
	struct pointee *to_full;
	int number;
};
HAVE(struct root_struct)
struct unmatched_member {
	int number;
	long present;
};
HAVE(struct unmatched_member)
struct changed_member {
	long number;
};
HAVE(struct changed_member)
HAVE(union root_union)
union was_union {
	int one;
};
HAVE(union was_union)
enum root_enum { ROOT_B = 7, ROOT_A = 8, ROOT_C = 9 };
HAVE(enum root_enum)
enum smaller_enum { SMALLER_A, SMALLER_B };
HAVE(enum smaller_enum)
typedef u32 plain_int_t;
HAVE(plain_int_t)
typedef struct pointee to_struct_t;
HAVE(to_struct_t)
typedef struct root_struct struct_t;
HAVE(struct_t)
typedef struct {
	int other;
	int number;
} unnamed_t;
HAVE(unnamed_t)
typedef int array_t[4];
HAVE(array_t)
typedef int array_of_other_length_t[5];
HAVE(array_of_other_length_t)
typedef int (*callback_t)(struct root_struct *self, int number, const char *text);
HAVE(callback_t)
typedef int (*fewer_parameters_t)(struct root_struct *self, int number);
HAVE(fewer_parameters_t)
typedef int (*other_parameter_t)(struct root_struct *self, void *number);
HAVE(other_parameter_t)
typedef void (prototype_t)(int number);
HAVE(prototype_t *)
typedef struct forward *forward_pointer_t;
HAVE(forward_pointer_t)
struct now_complete {
	int number;
};
HAVE(struct now_complete)
typedef struct now_complete *now_complete_pointer_t;
HAVE(now_complete_pointer_t)
struct now_forward;
typedef struct now_forward *now_forward_pointer_t;
HAVE(now_forward_pointer_t)
typedef void *void_pointer_t;
HAVE(void_pointer_t)
typedef struct pointee *__attribute__((btf_type_tag("user"))) *pointer_pointer_t;
HAVE(pointer_pointer_t)
typedef enum root_enum enum_t;
HAVE(enum_t)
typedef struct root_struct qualified_t;
HAVE(qualified_t)
typedef s32 wide_int_t;
HAVE(wide_int_t)
typedef double real_t;
HAVE(real_t)
typedef int to_real_t;
HAVE(to_real_t)
struct self {
	struct self *next;
	int (*visit)(struct self *self, union root_union *choice);
	enum root_enum mood;
	struct pointee inner;
	struct pointee many[2];
	int more __attribute__((btf_decl_tag("counted")));
};
HAVE(struct self)
enum size_differs : u64 { SIZE_DIFFERS_A = 0x100000000ULL };
HAVE(enum size_differs)

/* enums.bpf.c */
enum order { ORDER_B = 20, ORDER_NEGATIVE = -40, ORDER_A = 10 };
HAVE(enum order)
typedef enum { UNNAMED_B = 22, UNNAMED_C } unnamed_enum_t;
HAVE(unnamed_enum_t)
enum wide : u64 { WIDE_TOP = 0xfedcba9876543211ULL, WIDE_LOW = 2, WIDE_HIGH = 0x200000000ULL };
HAVE(enum wide)
enum wide_signed : s64 { WIDE_MINUS = -50, WIDE_BIG = 0x223456789LL };
HAVE(enum wide_signed)
enum grown : u64 { GROWN_A = 0x500000001ULL, GROWN_B = 3 };
HAVE(enum grown)
enum shrunk { SHRUNK_A = 4, SHRUNK_B };
HAVE(enum shrunk)
struct holds_enum {
	int pad;
	enum grown grown;
};
HAVE(struct holds_enum)
enum split { SPLIT_FIRST = 11 };
HAVE(enum split)

/* ambiguous.bpf.c and pruning.bpf.c, first half */
struct moved {
	int agreed;
	int field;
};
HAVE(struct moved)
struct twin {
	int before;
	int field;
};
HAVE(struct twin)
struct sized {
	u64 field;
};
HAVE(struct sized)
struct signs {
	u32 field;
};
HAVE(struct signs)
enum values { VALUES_A = 10, VALUES_B = 20 };
HAVE(enum values)
struct half_matching {
	long field;
	long more;
};
HAVE(struct half_matching)
typedef struct {
	long pad;
	int field;
} homonym;
HAVE(homonym)
struct homonym {
	char pad[3];
	int field;
};
HAVE(struct homonym)
struct pruned {
	int same;
	int only_first;
	int differs;
};
HAVE(struct pruned)
enum chosen { CHOSEN_FIRST = 10, CHOSEN_DIFFERS = 30 };
HAVE(enum chosen)
struct matched {
	long field;
	long more;
};
HAVE(struct matched)

#endif

#if UNIT == 3

/* enums.bpf.c */
enum split { SPLIT_SECOND = 22 };
HAVE(enum split)

/* ambiguous.bpf.c and pruning.bpf.c, second half */
struct moved {
	int agreed;
	int pad;
	long field;
};
HAVE(struct moved)
struct twin {
	int before;
	int field;
};
HAVE(struct twin)
struct sized {
	u16 field;
};
HAVE(struct sized)
struct signs {
	s32 field;
};
HAVE(struct signs)
enum values { VALUES_A = 11, VALUES_B = 20 };
HAVE(enum values)
struct half_matching {
	int field;
};
HAVE(struct half_matching)
struct pruned {
	int same;
	int only_second;
	int pad;
	int differs;
};
HAVE(struct pruned)
enum chosen { CHOSEN_SECOND = 20, CHOSEN_DIFFERS = 31 };
HAVE(enum chosen)
struct matched {
	int field;
};
HAVE(struct matched)

#endif
