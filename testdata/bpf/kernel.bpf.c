/* Relocations as tracers write them, against types of real kernels from 5.10 on. Target: any kernel's BTF. */
#include "fixture.h"

static long (*bpf_probe_read_kernel)(void *to, u32 size, const volatile void *from) = (void *)113;

#define READ(to, from) bpf_probe_read_kernel(&(to), sizeof(to), &(from))

struct task_struct;

struct uid {
	u32 val;
};

typedef struct uid kuid_t;

struct cred {
	kuid_t uid;
	kuid_t euid;
} CORE;

struct pid_namespace {
	int level;
} CORE;

struct upid {
	int nr;
	struct pid_namespace *ns;
} CORE;

struct pid {
	u32 level;
	struct upid numbers[1];
} CORE;

struct nsproxy {
	struct pid_namespace *pid_ns_for_children;
} CORE;

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
} CORE;

struct task_struct {
	int pid;
	int tgid;
	char comm[16];
	u64 start_time;
	int exit_code;
	unsigned int flags;
	unsigned in_execve : 1;
	unsigned sched_reset_on_fork : 1;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	const struct cred *cred;
	struct mm_struct *mm;
	struct nsproxy *nsproxy;
	struct pid *thread_pid;
} CORE;

/* Renamed in 5.14, and in 5.5. */
struct task_struct___old_state {
	volatile long state;
} CORE;

struct task_struct___new_state {
	unsigned int __state;
} CORE;

struct task_struct___real_start_time {
	u64 real_start_time;
} CORE;

struct task_struct___boottime {
	u64 start_boottime;
} CORE;

SEC("raw_tp/sched_process_exec") int task_identity(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0], *parent = 0;
	const struct cred *cred = 0;
	int pid = 0, tgid = 0, parent_tgid = 0;
	u32 uid = 0;

	READ(pid, task->pid);
	READ(tgid, task->tgid);
	READ(parent, task->real_parent);
	READ(parent_tgid, parent->tgid);
	READ(cred, task->cred);
	READ(uid, cred->uid.val);
	return pid + tgid + parent_tgid + uid;
}

SEC("raw_tp/sched_process_exit") int task_name_and_time(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	char comm[16] = {};
	u64 start = 0, boot = 0;

	READ(comm, task->comm);
	READ(start, task->start_time);
	if (EXISTS(struct task_struct___boottime, start_boottime)) {
		struct task_struct___boottime *flavored = (void *)task;

		READ(boot, flavored->start_boottime);
	} else {
		struct task_struct___real_start_time *flavored = (void *)task;

		READ(boot, flavored->real_start_time);
	}
	return comm[0] + start + boot;
}

SEC("raw_tp/sched_switch") int task_state(u64 *ctx)
{
	long state = 0;

	if (EXISTS(struct task_struct___new_state, __state)) {
		struct task_struct___new_state *task = (void *)ctx[1];
		unsigned int narrow = 0;

		bpf_probe_read_kernel(&narrow, SIZE(struct task_struct___new_state, __state) & 4, &task->__state);
		state = narrow;
	} else {
		struct task_struct___old_state *task = (void *)ctx[1];

		READ(state, task->state);
	}
	return state;
}

SEC("raw_tp/sched_wakeup") u64 task_bits(void *ctx)
{
	return BOTH(OFFSET(struct task_struct, in_execve), SIZE(struct task_struct, in_execve)) +
	       (LSHIFT(struct task_struct, in_execve) << 8) + (RSHIFT(struct task_struct, in_execve) << 16) +
	       (SIGNED(struct task_struct, in_execve) << 24) + LSHIFT(struct task_struct, sched_reset_on_fork);
}

SEC("kprobe/begin_new_exec") int task_namespace(void *ctx)
{
	struct task_struct *task = ctx;
	struct task_struct *leader = 0;
	struct pid *pid = 0;
	struct nsproxy *nsproxy = 0;
	struct mm_struct *mm = 0;
	unsigned long start = 0, end = 0;
	u32 level = 0;
	int nr = 0;

	READ(leader, task->group_leader);
	READ(pid, leader->thread_pid);
	READ(level, pid->level);
	READ(nr, pid->numbers[level & 3].nr);
	READ(nr, pid->numbers[0].nr);
	READ(nsproxy, task->nsproxy);
	READ(mm, task->mm);
	READ(start, mm->arg_start);
	READ(end, mm->arg_end);
	return level + nr + (end - start) + (nsproxy != 0);
}

struct sock_common {
	union {
		struct {
			u32 skc_daddr;
			u32 skc_rcv_saddr;
		};
	};
	union {
		struct {
			u16 skc_dport;
			u16 skc_num;
		};
	};
	unsigned short skc_family;
	volatile unsigned char skc_state;
} CORE;

struct sock {
	struct sock_common __sk_common;
	u16 sk_protocol;
	int sk_rcvbuf;
	u64 sk_max_pacing_rate;
} CORE;

struct sk_buff {
	unsigned int len;
	unsigned int data_len;
	u16 mac_len;
	u8 pkt_type : 3;
	u8 ip_summed : 2;
	u8 nohdr : 1;
	u16 transport_header;
	u16 network_header;
	unsigned char *head;
	unsigned char *data;
	struct sock *sk;
} CORE;

ASPECTS(skb_pkt_type, struct sk_buff, pkt_type)
ASPECTS(skb_ip_summed, struct sk_buff, ip_summed)
ASPECTS(skb_transport_header, struct sk_buff, transport_header)
ASPECTS(sock_protocol, struct sock, sk_protocol)
PROGRAM(sock_pacing, BOTH(OFFSET(struct sock, sk_max_pacing_rate), SIZE(struct sock, sk_max_pacing_rate)))

SEC("kprobe/tcp_connect") u64 socket_addresses(struct sock *sk)
{
	u32 daddr = 0;
	u16 dport = 0, family = 0;
	u8 state = 0;

	READ(daddr, sk->__sk_common.skc_daddr);
	READ(dport, sk->__sk_common.skc_dport);
	READ(family, sk->__sk_common.skc_family);
	READ(state, sk->__sk_common.skc_state);
	return daddr + dport + family + state;
}

SEC("kprobe/__netif_receive_skb_core") u64 packet_headers(struct sk_buff *skb)
{
	unsigned char *head = 0;
	struct sock *sk = 0;
	u16 network = 0;
	u32 len = 0;

	READ(head, skb->head);
	READ(network, skb->network_header);
	READ(len, skb->len);
	READ(sk, skb->sk);
	return (u64)head + network + len + (sk != 0);
}

struct gendisk {
	char disk_name[32];
	int major;
} CORE;

struct request_queue {
	struct gendisk *disk;
} CORE;

/* Moved in 5.15 from the request to its queue. */
struct request___with_disk {
	struct gendisk *rq_disk;
} CORE;

struct request {
	struct request_queue *q;
	unsigned int cmd_flags;
	unsigned int __data_len;
	u64 __sector;
} CORE;

SEC("raw_tp/block_rq_issue") u64 request_disk(u64 *ctx)
{
	struct request *rq = (void *)ctx[0];
	struct gendisk *disk = 0;
	int major = 0;

	if (EXISTS(struct request___with_disk, rq_disk)) {
		struct request___with_disk *flavored = (void *)rq;

		READ(disk, flavored->rq_disk);
	} else {
		struct request_queue *q = 0;

		READ(q, rq->q);
		READ(disk, q->disk);
	}
	READ(major, disk->major);
	return major;
}

enum bpf_func_id___mine {
	BPF_FUNC_ringbuf_output___mine = 1,
	BPF_FUNC_get_attach_cookie___mine = 2,
	BPF_FUNC_user_ringbuf_drain___mine = 3,
	BPF_FUNC_never_there___mine = 4,
};

PROGRAM(helper_ringbuf, ENUMVAL_EXISTS(enum bpf_func_id___mine, BPF_FUNC_ringbuf_output___mine))
PROGRAM(helper_cookie, ENUMVAL_VALUE(enum bpf_func_id___mine, BPF_FUNC_get_attach_cookie___mine))
PROGRAM(helper_drain, ENUMVAL_EXISTS(enum bpf_func_id___mine, BPF_FUNC_user_ringbuf_drain___mine))
PROGRAM(helper_never, ENUMVAL_EXISTS(enum bpf_func_id___mine, BPF_FUNC_never_there___mine))

enum bpf_map_type { BPF_MAP_TYPE_RINGBUF = 1, BPF_MAP_TYPE_ARENA = 2 };

PROGRAM(map_ringbuf, ENUMVAL_VALUE(enum bpf_map_type, BPF_MAP_TYPE_RINGBUF))
PROGRAM(map_arena, ENUMVAL_EXISTS(enum bpf_map_type, BPF_MAP_TYPE_ARENA))

/* Types of every sort that a kernel has. */
typedef int (*notifier_fn_t)(void *block, unsigned long action, void *data);
typedef void (*btf_trace_sched_switch)(void *data, _Bool preempt, struct task_struct *prev, struct task_struct *next);
typedef u64 sector_t;
typedef struct {
	int counter;
} atomic_t;
struct list_head {
	struct list_head *next, *prev;
};
struct hlist_node {
	struct hlist_node *next, **pprev;
};
union bpf_attr;
struct bpf_iter__task;
struct folio;
struct trace_event_raw_block_rq;

#define TYPE_ASPECTS(name, type)                                                                                       \
	PROGRAM(name##_type_exists, TYPE_EXISTS(type))                                                                 \
	PROGRAM(name##_type_size, TYPE_SIZE(type))                                                                     \
	PROGRAM(name##_type_matches, TYPE_MATCHES(type))

TYPE_ASPECTS(notifier, notifier_fn_t)
TYPE_ASPECTS(trace_sched_switch, btf_trace_sched_switch)
TYPE_ASPECTS(sector, sector_t)
TYPE_ASPECTS(atomic, atomic_t)
TYPE_ASPECTS(list_head, struct list_head)
TYPE_ASPECTS(hlist_node, struct hlist_node)
TYPE_ASPECTS(request, struct request)
TYPE_ASPECTS(kuid, kuid_t)
PROGRAM(task_id, TYPE_ID_TARGET(struct task_struct))
PROGRAM(task_id_local, TYPE_ID_LOCAL(struct task_struct))
PROGRAM(attr_exists, TYPE_EXISTS(union bpf_attr))
PROGRAM(iter_task_exists, TYPE_EXISTS(struct bpf_iter__task))
PROGRAM(folio_exists, TYPE_EXISTS(struct folio))
PROGRAM(old_tracepoint_exists, TYPE_EXISTS(struct trace_event_raw_block_rq))

LICENSE;
