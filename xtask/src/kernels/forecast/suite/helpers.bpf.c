// SPDX-License-Identifier: GPL-2.0
/* Helpers of every age, each allowed for its program type since the helper exists. */
#include "suite.h"

volatile int never;
char text[16];
u64 values[2];

struct pair {
	u64 a, b;
} pair;

static const char format[] = "%llu";

static long on_vma(void *task, void *vma, void *ctx)
{
	return 0;
}

#define RAW "raw_tp/sys_enter"
#define KPROBE "kprobe/vfs_read"

/* 4.1 */
PROGRAM(RAW, ktime_get_ns, bpf_ktime_get_ns())
PROGRAM(RAW, trace_printk, if (never) bpf_trace_printk(text, 1))
/* 4.2 */
PROGRAM(RAW, get_current_comm, bpf_get_current_comm(text, sizeof(text)))
/* 4.11 */
PROGRAM(RAW, probe_read_str, bpf_probe_read_str(text, sizeof(text), ctx))
/* 4.18 */
PROGRAM(RAW, get_current_cgroup_id, bpf_get_current_cgroup_id())
PROGRAM(KPROBE, get_stack, bpf_get_stack(ctx, values, sizeof(values), 0))
/* 5.3 */
PROGRAM(RAW, send_signal, if (never) bpf_send_signal(9))
/* 5.5; libbpf replaces them by bpf_probe_read before. */
PROGRAM(RAW, probe_read_kernel, bpf_probe_read_kernel(text, sizeof(text), ctx))
PROGRAM(KPROBE, probe_read_user, bpf_probe_read_user(text, sizeof(text), ctx))
/* 5.5 */
PROGRAM(RAW, jiffies64, bpf_jiffies64())
/* 5.6 */
PROGRAM("perf_event", read_branch_records, bpf_read_branch_records(ctx, values, sizeof(values), 0))
/* 5.7 */
PROGRAM(RAW, get_ns_current_pid_tgid, bpf_get_ns_current_pid_tgid(1, 2, &pair, 8))
PROGRAM(RAW, ktime_get_boot_ns, bpf_ktime_get_boot_ns())
/* 5.9 */
PROGRAM("tp_btf/task_newtask", get_task_stack, bpf_get_task_stack(*(void **)ctx, values, sizeof(values), 0))
/* 5.11 */
PROGRAM(RAW, get_current_task_btf, USE(bpf_get_current_task_btf()))
PROGRAM("tc", ktime_get_coarse_ns, bpf_ktime_get_coarse_ns())
/* 5.13 */
PROGRAM(RAW, snprintf_number, bpf_snprintf(text, sizeof(text), format, values, 8))
/* 5.15 */
PROGRAM(KPROBE, get_func_ip, bpf_get_func_ip(ctx))
PROGRAM(KPROBE, get_attach_cookie, bpf_get_attach_cookie(ctx))
PROGRAM(RAW, task_pt_regs, USE(bpf_task_pt_regs(bpf_get_current_task_btf())))
/* 5.16 */
PROGRAM(RAW, trace_vprintk, if (never) bpf_trace_vprintk(format, sizeof(format), values, 8))
PROGRAM(RAW, get_branch_snapshot, bpf_get_branch_snapshot(values, sizeof(values), 0))
/* 5.17 */
PROGRAM(RAW, strncmp_text, bpf_strncmp(text, sizeof(text), format))
PROGRAM(RAW, find_vma, bpf_find_vma(bpf_get_current_task_btf(), 0, on_vma, 0, 0))
PROGRAM("fentry/vfs_read", get_func_arg, bpf_get_func_arg(ctx, 0, values))
/* 5.19 */
PROGRAM(RAW, dynptr_from_mem, u64 dynptr[2] __attribute__((aligned(8))); bpf_dynptr_from_mem(text, 8, 0, dynptr))
/* 6.1 */
PROGRAM(RAW, ktime_get_tai_ns, bpf_ktime_get_tai_ns())
/* 4.16, if the kernel is built with CONFIG_BPF_KPROBE_OVERRIDE. */
PROGRAM("kprobe/__x64_sys_acct", override_return, if (never) bpf_override_return(ctx, -1))
