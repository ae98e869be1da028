/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The few kernel types that execwatch reads, instead of a whole vmlinux.h.
 *
 * Only the names matter, not the order of fields: preserve_access_index makes clang emit a CO-RE relocation for each
 * access, and the loader inserts the running kernel's offsets.
 */
#ifndef EXECWATCH_KERNEL_H
#define EXECWATCH_KERNEL_H

typedef unsigned char __u8;
typedef signed short __s16;
typedef unsigned short __u16;
typedef signed int __s32;
typedef unsigned int __u32;
typedef signed long long __s64;
typedef unsigned long long __u64;
/* Used by bpf_helper_defs.h. */
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

/* Part of the kernel's stable interface (include/uapi/linux/bpf.h), so not relocated. */
enum bpf_map_type {
	BPF_MAP_TYPE_PERF_EVENT_ARRAY = 4,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
};

#define BPF_F_CURRENT_CPU 0xffffffffULL

struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

/*
 * Helpers that old kernels lack. The numbers are stable; bpf_core_enum_value_exists() checks whether the running
 * kernel has the helper.
 */
enum bpf_func_id {
	BPF_FUNC_probe_read_user = 112,
	BPF_FUNC_probe_read_kernel = 113,
	BPF_FUNC_probe_read_user_str = 114,
	BPF_FUNC_probe_read_kernel_str = 115,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	__u32 val;
} kuid_t;

struct cred {
	kuid_t uid;
};

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
};

struct task_struct {
	int pid;
	int tgid;
	int exit_code;
	char comm[16];
	__u64 start_time;
	/* Since 5.5. */
	__u64 start_boottime;
	struct task_struct *real_parent;
	struct cred *cred;
	struct mm_struct *mm;
};

/* The name of start_boottime up to 5.4. The loader ignores the suffix that starts with ___. */
struct task_struct___before_5_5 {
	__u64 real_start_time;
};

struct linux_binprm {
	const char *filename;
};

#pragma clang attribute pop

#endif
