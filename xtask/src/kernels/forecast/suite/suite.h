/* SPDX-License-Identifier: GPL-2.0 */
/* What the suite's programs share. Each program has one requirement that kernels may lack, in its name or in a comment. */
#ifndef SUITE_H
#define SUITE_H

typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

#define SEC(name) __attribute__((section(name), used))
#define CORE __attribute__((preserve_access_index))
#define WEAK __attribute__((weak))
#define KSYM __attribute__((section(".ksyms")))
#define KCONFIG __attribute__((section(".kconfig")))
#define NOINLINE __attribute__((noinline))

#define FIELD_EXISTS(type, field) __builtin_preserve_field_info(((typeof(type) *)0)->field, 2)
#define TYPE_EXISTS(type) __builtin_preserve_type_info(*(typeof(type) *)0, 0)
#define ENUM_VALUE_EXISTS(type, value) __builtin_preserve_enum_value(*(typeof(type) *)value, 0)
#define ENUM_VALUE(type, value) __builtin_preserve_enum_value(*(typeof(type) *)value, 1)

/* A program that returns 0 after some statements. `never` is false, which the verifier does not know. */
#define PROGRAM(section, name, ...)                                                                                    \
	SEC(section) int name(void *ctx)                                                                               \
	{                                                                                                              \
		__VA_ARGS__;                                                                                           \
		return 0;                                                                                              \
	}
/* One whose requirement is its section alone. */
#define EMPTY(section, name) PROGRAM(section, name, )

/* Keeps a value that nothing else uses. */
#define USE(value) asm volatile("" ::"r"(value))

#define HELPER(number, name, ...) static s64 (*const name)(__VA_ARGS__) __attribute__((unused)) = (void *)number
#define HELPER_POINTER(number, name, ...)                                                                              \
	static void *(*const name)(__VA_ARGS__) __attribute__((unused)) = (void *)number

HELPER_POINTER(1, bpf_map_lookup_elem, void *map, const void *key);
HELPER(4, bpf_probe_read, void *to, u32 size, const void *from);
HELPER(5, bpf_ktime_get_ns, void);
HELPER(6, bpf_trace_printk, const char *format, u32 size, ...);
HELPER(12, bpf_tail_call, void *ctx, void *map, u32 index);
HELPER(14, bpf_get_current_pid_tgid, void);
HELPER(16, bpf_get_current_comm, void *to, u32 size);
HELPER(25, bpf_perf_event_output, void *ctx, void *map, u64 flags, void *data, u64 size);
HELPER(26, bpf_skb_load_bytes, const void *skb, u32 offset, void *to, u32 len);
HELPER(27, bpf_get_stackid, void *ctx, void *map, u64 flags);
HELPER(35, bpf_get_current_task, void);
HELPER(44, bpf_xdp_adjust_head, void *xdp, int delta);
HELPER(45, bpf_probe_read_str, void *to, u32 size, const void *from);
HELPER(46, bpf_get_socket_cookie, void *ctx);
HELPER(51, bpf_redirect_map, void *map, u64 key, u64 flags);
HELPER(52, bpf_sk_redirect_map, void *skb, void *map, u32 key, u64 flags);
HELPER(58, bpf_override_return, void *regs, u64 value);
HELPER(67, bpf_get_stack, void *ctx, void *to, u32 size, u64 flags);
HELPER(80, bpf_get_current_cgroup_id, void);
HELPER(88, bpf_map_pop_elem, void *map, void *value);
HELPER(89, bpf_map_peek_elem, void *map, void *value);
HELPER(93, bpf_spin_lock, void *lock);
HELPER(94, bpf_spin_unlock, void *lock);
HELPER_POINTER(107, bpf_sk_storage_get, void *map, void *sk, void *value, u64 flags);
HELPER(109, bpf_send_signal, u32 signal);
HELPER(112, bpf_probe_read_user, void *to, u32 size, const void *from);
HELPER(113, bpf_probe_read_kernel, void *to, u32 size, const void *from);
HELPER(118, bpf_jiffies64, void);
HELPER(119, bpf_read_branch_records, void *ctx, void *to, u32 size, u64 flags);
HELPER(120, bpf_get_ns_current_pid_tgid, u64 dev, u64 ino, void *to, u32 size);
HELPER(125, bpf_ktime_get_boot_ns, void);
HELPER(130, bpf_ringbuf_output, void *map, void *data, u64 size, u64 flags);
HELPER(141, bpf_get_task_stack, void *task, void *to, u32 size, u64 flags);
HELPER_POINTER(145, bpf_inode_storage_get, void *map, void *inode, void *value, u64 flags);
HELPER(147, bpf_d_path, void *path, char *to, u32 size);
HELPER(148, bpf_copy_from_user, void *to, u32 size, const void *from);
HELPER_POINTER(154, bpf_this_cpu_ptr, const void *percpu);
HELPER_POINTER(156, bpf_task_storage_get, void *map, void *task, void *value, u64 flags);
HELPER_POINTER(158, bpf_get_current_task_btf, void);
HELPER(160, bpf_ktime_get_coarse_ns, void);
HELPER(164, bpf_for_each_map_elem, void *map, void *callback, void *ctx, u64 flags);
HELPER(165, bpf_snprintf, char *to, u32 size, const char *format, u64 *args, u32 args_size);
HELPER(166, bpf_sys_bpf, u32 command, void *attr, u32 size);
HELPER(169, bpf_timer_init, void *timer, void *map, u64 flags);
HELPER(173, bpf_get_func_ip, void *ctx);
HELPER(174, bpf_get_attach_cookie, void *ctx);
HELPER_POINTER(175, bpf_task_pt_regs, void *task);
HELPER(176, bpf_get_branch_snapshot, void *to, u32 size, u64 flags);
HELPER(177, bpf_trace_vprintk, const char *format, u32 size, const void *args, u32 args_size);
HELPER(180, bpf_find_vma, void *task, u64 address, void *callback, void *ctx, u64 flags);
HELPER(181, bpf_loop, u32 times, void *callback, void *ctx, u64 flags);
HELPER(182, bpf_strncmp, const char *a, u32 size, const char *b);
HELPER(183, bpf_get_func_arg, void *ctx, u32 number, u64 *value);
HELPER(191, bpf_copy_from_user_task, void *to, u32 size, const void *from, void *task, u64 flags);
HELPER_POINTER(195, bpf_map_lookup_percpu_elem, void *map, const void *key, u32 cpu);
HELPER(197, bpf_dynptr_from_mem, void *data, u32 size, u64 flags, void *dynptr);
HELPER(208, bpf_ktime_get_tai_ns, void);
HELPER(209, bpf_user_ringbuf_drain, void *map, void *callback, void *ctx, u64 flags);
HELPER_POINTER(210, bpf_cgrp_storage_get, void *map, void *cgroup, void *value, u64 flags);

/* Maps, as libbpf reads them from BTF. */
#define UINT(name, value) int(*name)[value]
#define TYPE(name, type) typeof(type) *name
#define MAP(name, type_number, flags, entries, key_type, value_type)                                                   \
	struct {                                                                                                       \
		UINT(type, type_number);                                                                               \
		UINT(map_flags, flags);                                                                                \
		UINT(max_entries, entries);                                                                            \
		TYPE(key, key_type);                                                                                   \
		TYPE(value, value_type);                                                                               \
	} name SEC(".maps")

char LICENSE[] SEC("license") = "GPL";

#endif
