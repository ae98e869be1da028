// SPDX-License-Identifier: GPL-2.0
/* Helpers that are not allowed for every program type. */
#include "suite.h"

volatile int never;
char text[16];
u64 values[2];

/* Never allowed. */
PROGRAM("kprobe/vfs_read", xdp_adjust_head_in_kprobe, if (never) bpf_xdp_adjust_head(ctx, 0))
PROGRAM("kprobe/vfs_read", d_path_in_kprobe, bpf_d_path(ctx, text, sizeof(text)))
PROGRAM("kprobe/vfs_read", get_socket_cookie_in_kprobe, bpf_get_socket_cookie(ctx))
PROGRAM("kprobe/vfs_read", get_func_arg_in_kprobe, bpf_get_func_arg(ctx, 0, values))
PROGRAM("raw_tp/sys_enter", override_return_in_raw_tp, if (never) bpf_override_return(ctx, 0))
PROGRAM("raw_tp/sys_enter", get_func_ip_in_raw_tp, bpf_get_func_ip(ctx))
PROGRAM("xdp", skb_load_bytes_in_xdp, bpf_skb_load_bytes(ctx, 0, text, 4))
PROGRAM("socket", send_signal_in_socket, if (never) bpf_send_signal(9))
PROGRAM("tc", get_stack_in_tc, bpf_get_stack(ctx, values, sizeof(values), 0))
/* Allowed in sleepable programs only. */
PROGRAM("fentry/vfs_read", copy_from_user_in_fentry, bpf_copy_from_user(text, 4, 0))
/* Allowed since some version. */
PROGRAM("xdp", ktime_get_ns_in_xdp, bpf_ktime_get_ns())
PROGRAM("xdp", ktime_get_coarse_ns_in_xdp, bpf_ktime_get_coarse_ns())
PROGRAM("xdp", get_current_task_in_xdp, bpf_get_current_task())
PROGRAM("socket", probe_read_kernel_in_socket, bpf_probe_read_kernel(text, 4, text))
PROGRAM("socket", get_current_pid_tgid_in_socket, bpf_get_current_pid_tgid())
PROGRAM("tc", get_current_comm_in_tc, bpf_get_current_comm(text, sizeof(text)))
PROGRAM("cgroup/connect4", get_current_comm_in_connect4, bpf_get_current_comm(text, sizeof(text)); return 1)
PROGRAM("cgroup/connect4", get_current_pid_tgid_in_connect4, bpf_get_current_pid_tgid(); return 1)
PROGRAM("fentry/vfs_read", get_func_ip_in_fentry, bpf_get_func_ip(ctx))
PROGRAM("fentry/vfs_read", get_attach_cookie_in_fentry, bpf_get_attach_cookie(ctx))
PROGRAM("lsm/file_open", get_attach_cookie_in_lsm, bpf_get_attach_cookie(ctx))
PROGRAM("raw_tp/sys_enter", get_attach_cookie_in_raw_tp, bpf_get_attach_cookie(ctx))
PROGRAM("tp/sched/sched_switch", get_attach_cookie_in_tp, bpf_get_attach_cookie(ctx))
PROGRAM("perf_event", get_attach_cookie_in_perf_event, bpf_get_attach_cookie(ctx))
PROGRAM("lsm/file_open", ktime_get_ns_in_lsm, bpf_ktime_get_ns())
