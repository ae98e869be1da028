/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The few kernel types that execwatch touches, in place of a whole vmlinux.h.
 *
 * Only the names matter: preserve_access_index makes clang record a CO-RE relocation for each access, and
 * the loader puts in the offsets of the kernel at hand. Fields stand here in no particular order.
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
/* bpf_helper_defs.h names these. */
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

/* Part of the kernel's stable interface with programs (include/uapi/linux/bpf.h): never relocated. */
enum bpf_map_type {
	BPF_MAP_TYPE_PERF_EVENT_ARRAY = 4,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
};

#define BPF_F_CURRENT_CPU 0xffffffffULL

struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

/*
 * Which helpers the running kernel has. The numbers are stable; asking whether the kernel's BTF knows the
 * name (bpf_core_enum_value_exists) is how a program finds out before it calls.
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

/* Up to 5.4 the same value had this name. The loader drops everything from the last ___ on. */
struct task_struct___before_5_5 {
	__u64 real_start_time;
};

struct linux_binprm {
	const char *filename;
};

#pragma clang attribute pop

#endif
