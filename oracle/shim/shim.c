// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Calls the part of libbpf that computes one CO-RE relocation, which libbpf itself keeps internal, so that it can
 * judge any object against any target BTF without loading anything. The static archive that libbpf-sys builds
 * has these functions with external linkage. The declarations below are those of libbpf 1.7.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bpf.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the judge converts little-endian results to big-endian ones, not the reverse"
#endif

#define SPEC_MAX_LEN 64

struct bpf_core_cand {
	const struct btf *btf;
	__u32 id;
};

struct bpf_core_cand_list {
	struct bpf_core_cand *cands;
	int len;
};

struct bpf_core_accessor {
	__u32 type_id;
	__u32 idx;
	const char *name;
};

struct bpf_core_spec {
	const struct btf *btf;
	struct bpf_core_accessor spec[SPEC_MAX_LEN];
	__u32 root_type_id;
	enum bpf_core_relo_kind relo_kind;
	int len;
	int raw_spec[SPEC_MAX_LEN];
	int raw_len;
	__u32 bit_offset;
};

struct bpf_core_relo_res {
	__u64 orig_val;
	__u64 new_val;
	bool poison;
	bool validate;
	bool fail_memsz_adjust;
	__u32 orig_sz;
	__u32 orig_type_id;
	__u32 new_sz;
	__u32 new_type_id;
};

size_t bpf_core_essential_name_len(const char *name);
int bpf_core_add_cands(struct bpf_core_cand *local_cand, size_t local_essent_len, const struct btf *targ_btf,
		       const char *targ_btf_name, int targ_start_id, struct bpf_core_cand_list *cands);
int bpf_core_calc_relo_insn(const char *prog_name, const struct bpf_core_relo *relo, int relo_idx,
			    const struct btf *local_btf, struct bpf_core_cand_list *cands,
			    struct bpf_core_spec *specs_scratch, struct bpf_core_relo_res *targ_res);
int bpf_core_patch_insn(const char *prog_name, struct bpf_insn *insn, int insn_idx,
			const struct bpf_core_relo *relo, int relo_idx, const struct bpf_core_relo_res *res);
int bpf_core_format_spec(char *buf, size_t buf_sz, const struct bpf_core_spec *spec);

/* What libbpf printed on this thread since the last oracle_log_clear(). */
static __thread char *log_text;
static __thread size_t log_len, log_cap;
static __thread int log_level = LIBBPF_INFO;

static int print_to_log(enum libbpf_print_level level, const char *format, va_list args)
{
	va_list again;
	int need;

	if ((int)level > log_level)
		return 0;
	va_copy(again, args);
	need = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (need < 0)
		return need;
	if (log_len + need + 1 > log_cap) {
		size_t cap = (log_len + need + 1) * 2;
		char *text = realloc(log_text, cap);

		if (!text)
			return -ENOMEM;
		log_text = text;
		log_cap = cap;
	}
	vsnprintf(log_text + log_len, need + 1, format, args);
	log_len += need;
	return need;
}

void oracle_log_start(bool debug)
{
	libbpf_set_print(print_to_log);
	log_level = debug ? LIBBPF_DEBUG : LIBBPF_INFO;
	log_len = 0;
}

const char *oracle_log_text(size_t *len)
{
	*len = log_len;
	return log_text;
}

/* One run of bpf_object__relocate_core(): both BTFs and the candidates found so far, by local type id. */
struct oracle_run {
	struct btf *local;
	struct btf *target;
	struct btf **modules; /* split BTFs over the target */
	__u32 modules_len;
	struct bpf_core_cand_list **cands;
	__u32 cands_len;
	bool big_endian;
};

struct oracle_result {
	__s32 err; /* what libbpf returned on resolving, or on patching */
	__u8 at_patch;
	__u8 poison;
	__u8 validate;
	__u8 fail_memsz_adjust;
	__u64 orig_val;
	__u64 new_val;
	__u32 orig_sz;
	__u32 new_sz;
	char target_spec[256];
};

void oracle_run_forget(struct oracle_run *run)
{
	for (__u32 i = 0; i < run->cands_len; i++) {
		if (!run->cands[i])
			continue;
		free(run->cands[i]->cands);
		free(run->cands[i]);
		run->cands[i] = NULL;
	}
}

void oracle_run_free(struct oracle_run *run)
{
	if (!run)
		return;
	if (run->cands) {
		oracle_run_forget(run);
		free(run->cands);
	}
	btf__free(run->local);
	for (__u32 i = 0; i < run->modules_len; i++)
		btf__free(run->modules[i]);
	free(run->modules);
	btf__free(run->target);
	free(run);
}

int oracle_run_new(const void *local, __u32 local_len, const void *target, __u32 target_len, bool big_endian,
		   struct oracle_run **out)
{
	struct oracle_run *run = calloc(1, sizeof(*run));
	int err;

	if (!run)
		return -ENOMEM;
	run->big_endian = big_endian;
	run->local = btf__new(local, local_len);
	if (!run->local)
		goto fail;
	/* As bpf_object__init_btf() does, whatever the size of the object's `long`. */
	btf__set_pointer_size(run->local, 8);
	run->target = btf__new(target, target_len);
	if (!run->target)
		goto fail;
	run->cands_len = btf__type_cnt(run->local);
	run->cands = calloc(run->cands_len, sizeof(*run->cands));
	if (!run->cands)
		goto fail;
	*out = run;
	return 0;
fail:
	err = -errno;
	oracle_run_free(run);
	return err;
}

int oracle_run_add_module(struct oracle_run *run, const void *split, __u32 len)
{
	struct btf **modules = realloc(run->modules, (run->modules_len + 1) * sizeof(*modules));
	struct btf *module;

	if (!modules)
		return -ENOMEM;
	run->modules = modules;
	module = btf__new_split(split, len, run->target);
	if (!module)
		return -errno;
	modules[run->modules_len++] = module;
	return 0;
}

/* As bpf_core_find_cands(). */
static int find_cands(struct oracle_run *run, __u32 id, const char *name, struct bpf_core_cand_list **out)
{
	struct bpf_core_cand local = { .btf = run->local, .id = id };
	struct bpf_core_cand_list *list;
	int err;

	if (run->cands[id]) {
		*out = run->cands[id];
		return 0;
	}
	if (!name[0])
		return -EINVAL;
	list = calloc(1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	err = bpf_core_add_cands(&local, bpf_core_essential_name_len(name), run->target, "target", 1, list);
	/* Modules count only if the kernel has no candidate. */
	if (!list->len)
		for (__u32 i = 0; i < run->modules_len && !err; i++)
			err = bpf_core_add_cands(&local, bpf_core_essential_name_len(name), run->modules[i], "module",
						 btf__type_cnt(run->target), list);
	if (err) {
		free(list->cands);
		free(list);
		return err;
	}
	run->cands[id] = *out = list;
	return 0;
}

static int resolve(struct oracle_run *run, const char *prog, const struct bpf_core_relo *relo, int number,
		   struct bpf_core_relo_res *res, char *target_spec, size_t target_spec_len)
{
	struct bpf_core_spec *specs;
	struct bpf_core_cand_list *cands = NULL;
	const struct btf_type *type;
	const char *name;
	int err;

	if (relo->type_id >= run->cands_len)
		return -EINVAL;
	type = btf__type_by_id(run->local, relo->type_id);
	name = type ? btf__name_by_offset(run->local, type->name_off) : NULL;
	if (!name)
		return -EINVAL;
	if (relo->kind != BPF_CORE_TYPE_ID_LOCAL) {
		err = find_cands(run, relo->type_id, name, &cands);
		if (err)
			return err;
	}
	specs = calloc(3, sizeof(*specs));
	if (!specs)
		return -ENOMEM;
	err = bpf_core_calc_relo_insn(prog, relo, number, run->local, cands, specs, res);
	/* The third is the target spec; it stays empty if no candidate matches. */
	if (!err && specs[2].btf)
		bpf_core_format_spec(target_spec, target_spec_len, &specs[2]);
	free(specs);
	return err;
}

/* In 32 bits, as libbpf computes before it widens the result. */
static __u64 lshift_on_big_endian(__u32 lshift, __u32 rshift, __u32 byte_sz)
{
	__u32 bit_sz = 64 - rshift;
	__u32 bits_before = 64 - lshift - bit_sz;

	return (__u32)((8 - byte_sz) * 8 + bits_before);
}

/*
 * libbpf computes the left shift for the machine it was compiled for. For an object of the other byte order the value
 * that a big-endian libbpf would compute follows from three of its results here.
 */
static int turn_lshift(struct oracle_run *run, const char *prog, const struct bpf_core_relo *relo, int number,
		       struct bpf_core_relo_res *res)
{
	struct bpf_core_relo_res rshift = {}, size = {};
	struct bpf_core_relo sibling = *relo;
	char spec[8];
	int err;

	sibling.kind = BPF_CORE_FIELD_RSHIFT_U64;
	err = resolve(run, prog, &sibling, number, &rshift, spec, sizeof(spec));
	if (err)
		return err;
	sibling.kind = BPF_CORE_FIELD_BYTE_SIZE;
	err = resolve(run, prog, &sibling, number, &size, spec, sizeof(spec));
	if (err)
		return err;
	res->orig_val = lshift_on_big_endian(res->orig_val, rshift.orig_val, size.orig_val);
	if (!res->poison)
		res->new_val = lshift_on_big_endian(res->new_val, rshift.new_val, size.new_val);
	return 0;
}

/* Resolves one relocation and patches the one or two instructions at `insn`. */
void oracle_run_relocate(struct oracle_run *run, const char *prog, const struct bpf_core_relo *relo, int number,
			 struct bpf_insn *insn, int insn_idx, struct oracle_result *out)
{
	struct bpf_core_relo_res res = {};

	memset(out, 0, sizeof(*out));
	out->err = resolve(run, prog, relo, number, &res, out->target_spec, sizeof(out->target_spec));
	if (!out->err && run->big_endian && relo->kind == BPF_CORE_FIELD_LSHIFT_U64)
		out->err = turn_lshift(run, prog, relo, number, &res);
	if (out->err)
		return;
	out->poison = res.poison;
	out->validate = res.validate;
	out->fail_memsz_adjust = res.fail_memsz_adjust;
	out->orig_val = res.orig_val;
	out->new_val = res.new_val;
	out->orig_sz = res.orig_sz;
	out->new_sz = res.new_sz;
	out->err = bpf_core_patch_insn(prog, insn, insn_idx, relo, number, &res);
	out->at_patch = out->err != 0;
}
