// SPDX-License-Identifier: GPL-2.0
/* CO-RE relocations, and requirements behind CO-RE checks and settings. */
#include "suite.h"

enum bpf_func_id {
	BPF_FUNC_loop = 181,
	BPF_FUNC_ktime_get_tai_ns = 208,
};

struct task_struct {
	int pid;
	/* Since 5.14, named state before. */
	u32 __state;
} CORE;

struct task_struct___before_5_14 {
	long state;
} CORE;

struct request {
	/* Until 5.16. */
	void *rq_disk;
} CORE;

struct bpf_iter_num {
	u64 __opaque[1];
} CORE;

struct nowhere {
	int field;
} CORE;

struct sk_buff {
	u32 len;
	/* No kernel has it. */
	u32 no_such_field;
} CORE;

u64 result;
volatile int never;
const volatile int setting_off = 0;
const volatile int setting_on = 1;

#define RAW "raw_tp/sys_enter"
#define CURRENT ((struct task_struct *)bpf_get_current_task())
#define READ(field) bpf_probe_read_kernel(&result, sizeof(field), &(field))

/* Checks of the helper that they guard: run everywhere. */
PROGRAM(RAW, helper_behind_enum_value,
	if (ENUM_VALUE_EXISTS(enum bpf_func_id, BPF_FUNC_ktime_get_tai_ns)) result = bpf_ktime_get_tai_ns())
PROGRAM(RAW, helper_behind_type, if (TYPE_EXISTS(struct bpf_iter_num)) result = bpf_ktime_get_tai_ns())
PROGRAM(RAW, helper_behind_type_of_no_kernel, if (TYPE_EXISTS(struct nowhere)) result = bpf_ktime_get_tai_ns())
PROGRAM(RAW, helper_behind_field, if (FIELD_EXISTS(struct request, rq_disk)) return 0;
	if (FIELD_EXISTS(struct task_struct, __state)) USE(bpf_get_current_task_btf()))
/* The check is reversed: fails where the helper is missing. */
PROGRAM(RAW, helper_behind_reversed_check,
	if (!ENUM_VALUE_EXISTS(enum bpf_func_id, BPF_FUNC_ktime_get_tai_ns)) result = bpf_ktime_get_tai_ns())
/* Settings, with the values of the object. */
PROGRAM(RAW, helper_behind_setting_off, if (setting_off) result = bpf_ktime_get_tai_ns())
PROGRAM(RAW, helper_behind_setting_on, if (setting_on) result = bpf_ktime_get_tai_ns())
PROGRAM(RAW, helper_behind_setting_and_check,
	if (setting_on && ENUM_VALUE_EXISTS(enum bpf_func_id, BPF_FUNC_loop)) USE(bpf_get_current_task_btf()))
/* Behind a value that nobody knows: required. */
PROGRAM(RAW, helper_behind_variable, if (never) result = bpf_ktime_get_tai_ns())

/* Fields that moved. */
PROGRAM(RAW, field_everywhere, READ(CURRENT->pid))
PROGRAM(RAW, field_since_5_14, READ(CURRENT->__state))
PROGRAM(RAW, field_until_5_13, READ(((struct task_struct___before_5_14 *)CURRENT)->state))
PROGRAM(RAW, field_of_either_age, if (FIELD_EXISTS(struct task_struct, __state)) READ(CURRENT->__state);
	else READ(((struct task_struct___before_5_14 *)CURRENT)->state))
PROGRAM(RAW, field_until_5_16, READ(((struct request *)result)->rq_disk))
PROGRAM(RAW, field_of_no_kernel, READ(((struct sk_buff *)result)->no_such_field))
PROGRAM(RAW, field_of_no_type, READ(((struct nowhere *)result)->field))
PROGRAM(RAW, poison_behind_variable, if (never) READ(((struct nowhere *)result)->field))
PROGRAM(RAW, poison_behind_setting_off, if (setting_off) READ(((struct nowhere *)result)->field))
PROGRAM(RAW, poison_behind_type, if (TYPE_EXISTS(struct nowhere)) READ(((struct nowhere *)result)->field))
PROGRAM(RAW, enum_value_since_5_17, result = ENUM_VALUE(enum bpf_func_id, BPF_FUNC_loop))
