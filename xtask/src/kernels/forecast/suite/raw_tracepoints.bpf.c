// SPDX-License-Identifier: GPL-2.0
/* Raw tracepoints and those with BTF. */
#include "suite.h"

struct task_struct {
	int tgid;
} CORE;

int result;

EMPTY("raw_tp/sched_switch", raw)
EMPTY("raw_tracepoint/kfree_skb", raw_kfree_skb)
EMPTY("raw_tp/sys_enter", raw_sys_enter)
EMPTY("raw_tp/sched_prepare_exec", raw_sched_prepare_exec)
EMPTY("raw_tp/block_io_start", raw_block_io_start)
EMPTY("raw_tp/xfs_file_fsync", raw_module)
EMPTY("raw_tp/no_such_event", raw_absent)
EMPTY("raw_tp", raw_without_target)
EMPTY("raw_tp.w/sched_switch", raw_writable)
EMPTY("tp_btf/sched_switch", btf)
EMPTY("tp_btf/sys_enter", btf_sys_enter)
EMPTY("tp_btf/sched_prepare_exec", btf_sched_prepare_exec)
EMPTY("tp_btf/block_io_start", btf_block_io_start)
EMPTY("tp_btf/xfs_file_fsync", btf_module)
EMPTY("tp_btf/no_such_event", btf_absent)
PROGRAM("tp_btf/sched_process_fork", btf_pointer, result = ((struct task_struct *)*(u64 *)ctx)->tgid)
