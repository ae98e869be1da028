/*
 * The order of relocations: libbpf remembers per local root type which candidates survived, so a program may resolve
 * alone and be poisoned, or fail alone and resolve, after another. Target: traps.c.
 */
#include "fixture.h"

struct pruned {
	int only_first;
	int only_second;
	int differs;
	int same;
} CORE;

PROGRAM(a_same, OFFSET(struct pruned, same))
PROGRAM(b_only_first, OFFSET(struct pruned, only_first))
/* Alone: the second candidate has it. After b: no candidate is left that has it. */
PROGRAM(c_only_second, OFFSET(struct pruned, only_second))
PROGRAM(d_only_second_exists, EXISTS(struct pruned, only_second))
/* Alone: ambiguous. After b: the first candidate's. */
PROGRAM(e_differs, OFFSET(struct pruned, differs))

/* The same names under a flavor have candidates of their own. */
struct pruned___again {
	int only_second;
	int differs;
} CORE;

PROGRAM(f_only_second, OFFSET(struct pruned___again, only_second))
PROGRAM(g_differs, OFFSET(struct pruned___again, differs))

/* Both in one program: the second is poisoned, or no longer ambiguous. */
IN_ORDER(h_first_then_second, OFFSET(struct pruned, only_first), OFFSET(struct pruned, only_second))
IN_ORDER(i_second_then_first, OFFSET(struct pruned, only_second), OFFSET(struct pruned, only_first))
IN_ORDER(i_second_then_differs, OFFSET(struct pruned, only_second), OFFSET(struct pruned, differs))

/* A kind of relocation that never fails prunes too. */
struct pruned___third {
	int only_second;
	int differs;
} CORE;

IN_ORDER(j_exists_then_differs, EXISTS(struct pruned___third, only_second), OFFSET(struct pruned___third, differs))

enum chosen { CHOSEN_FIRST = 1, CHOSEN_SECOND = 2, CHOSEN_DIFFERS = 3 };

PROGRAM(k_chosen_first, ENUMVAL_VALUE(enum chosen, CHOSEN_FIRST))
PROGRAM(l_chosen_second, ENUMVAL_EXISTS(enum chosen, CHOSEN_SECOND))
PROGRAM(m_chosen_differs, ENUMVAL_VALUE(enum chosen, CHOSEN_DIFFERS))

/* Matching prunes by what the members are, and size reads what is left. */
struct matched {
	long field;
};

PROGRAM(n_matched_size, TYPE_SIZE(struct matched))
PROGRAM(o_matched, TYPE_MATCHES(struct matched))
PROGRAM(p_matched_size_after, TYPE_SIZE(struct matched))

LICENSE;
