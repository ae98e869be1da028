// SPDX-License-Identifier: GPL-2.0
/* Classic tracepoints, and fields of their records. */
#include "suite.h"

struct trace_event_raw_sched_switch {
	long prev_state;
	int next_pid;
} CORE;

struct trace_event_raw_sched_wakeup_template {
	/* Removed in 5.14. */
	int success;
	int target_cpu;
} CORE;

struct trace_event_raw_block_rq_complete {
	/* Until 5.15. */
	int error;
} CORE;

struct trace_event_raw_block_rq_completion {
	/* Since 5.16. */
	int error;
} CORE;

enum skb_drop_reason {
	SKB_NOT_DROPPED_YET,
};

struct trace_event_raw_kfree_skb {
	/* Since 5.17. */
	enum skb_drop_reason reason;
} CORE;

struct trace_event_raw_kfree_skb___integer {
	/* For libbpf not the same as an enumeration. */
	int reason;
} CORE;

struct trace_event_raw_kmem_alloc_node {
	/* Removed in 6.2. */
	int node;
} CORE;

struct trace_event_raw_sys_enter {
	long id;
	unsigned long args[6];
} CORE;

struct trace_event_raw_inet_sock_set_state {
	u16 protocol;
} CORE;

u64 result;

#define FIELD(section, name, type, field)                                                                              \
	SEC(section) int name(struct trace_event_raw_##type *ctx)                                                      \
	{                                                                                                              \
		result = ctx->field;                                                                                   \
		return 0;                                                                                              \
	}

EMPTY("tp/sched/sched_switch", sched_switch)
EMPTY("tracepoint/sched/sched_process_exec", sched_process_exec)
EMPTY("tp/sched/sched_prepare_exec", sched_prepare_exec)
EMPTY("tp/task/task_rename", task_rename)
EMPTY("tp/block/block_io_start", block_io_start)
EMPTY("tp/exceptions/page_fault_user", page_fault_user)
EMPTY("tp/tcp/tcp_retransmit_skb", tcp_retransmit_skb)
EMPTY("tp/tcp/tcp_sendmsg_locked", tcp_sendmsg_locked)
EMPTY("tp/raw_syscalls/sys_enter", raw_sys_enter)
EMPTY("tp/kmem/kmalloc_node", kmalloc_node)
EMPTY("tp/kmem/mm_page_alloc", mm_page_alloc)
EMPTY("tp/timer/timer_expire_entry", timer_expire_entry)
EMPTY("tp/oom/mark_victim", mark_victim)
EMPTY("tp/xfs/xfs_file_fsync", xfs_file_fsync)
EMPTY("tp/sched/no_such_event", no_such_event)
/* Syscalls: wired, wired without arguments, implemented but not wired, of later versions, of no version. */
EMPTY("tp/syscalls/sys_enter_openat", sys_enter_openat)
EMPTY("tp/syscalls/sys_exit_openat2", sys_exit_openat2)
EMPTY("tp/syscalls/sys_enter_sync", sys_enter_sync)
EMPTY("tp/syscalls/sys_exit_fork", sys_exit_fork)
EMPTY("tp/syscalls/sys_enter_sync_file_range", sys_enter_sync_file_range)
EMPTY("tp/syscalls/sys_enter_sync_file_range2", sys_enter_sync_file_range2)
EMPTY("tp/syscalls/sys_enter_newfstatat", sys_enter_newfstatat)
EMPTY("tp/syscalls/sys_enter_mmap", sys_enter_mmap)
EMPTY("tp/syscalls/sys_enter_fstatat64", sys_enter_fstatat64)
EMPTY("tp/syscalls/sys_enter_futex_wait", sys_enter_futex_wait)
EMPTY("tp/syscalls/sys_enter_no_such_syscall", sys_enter_no_such_syscall)

FIELD("tp/sched/sched_switch", field_prev_state, sched_switch, prev_state)
FIELD("tp/sched/sched_wakeup", field_target_cpu, sched_wakeup_template, target_cpu)
FIELD("tp/sched/sched_wakeup", field_success, sched_wakeup_template, success)
FIELD("tp/block/block_rq_complete", field_of_block_rq_complete, block_rq_complete, error)
FIELD("tp/block/block_rq_complete", field_of_block_rq_completion, block_rq_completion, error)
FIELD("tp/skb/kfree_skb", field_reason, kfree_skb, reason)
FIELD("tp/skb/kfree_skb", field_of_another_kind, kfree_skb___integer, reason)
FIELD("tp/kmem/kmalloc_node", field_node, kmem_alloc_node, node)
FIELD("tp/raw_syscalls/sys_enter", field_args, sys_enter, args[1])
FIELD("tp/sock/inet_sock_set_state", field_protocol, inet_sock_set_state, protocol)
