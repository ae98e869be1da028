/* A small tool: who connects to which address and port, IPv4 and IPv6. */
#include "fixture.h"

static long (*bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;

struct in6_addr {
	union {
		u8 u6_addr8[16];
	} in6_u;
} CORE;

struct net {
	struct {
		unsigned int inum;
	} ns;
} CORE;

typedef struct {
	struct net *net;
} CORE possible_net_t;

struct sock_common {
	u32 skc_daddr;
	u32 skc_rcv_saddr;
	u16 skc_dport;
	u16 skc_num;
	unsigned short skc_family;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
} CORE;

struct sock {
	struct sock_common __sk_common;
	unsigned int sk_mark;
} CORE;

#define READ(to, from) bpf_probe_read_kernel(&(to), sizeof(to), &(from))

SEC("kprobe/tcp_v4_connect") int connect_v4(struct sock *sk)
{
	u32 from = 0, to = 0, inum = 0;
	u16 port = 0, local = 0;
	struct net *net = 0;

	READ(from, sk->__sk_common.skc_rcv_saddr);
	READ(to, sk->__sk_common.skc_daddr);
	READ(port, sk->__sk_common.skc_dport);
	READ(local, sk->__sk_common.skc_num);
	READ(net, sk->__sk_common.skc_net.net);
	READ(inum, net->ns.inum);
	return from + to + port + local + inum;
}

SEC("kprobe/tcp_v6_connect") int connect_v6(struct sock *sk)
{
	u8 from[16] = {}, to[16] = {};
	u16 family = 0;
	u32 mark = 0;

	READ(from, sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
	READ(to, sk->__sk_common.skc_v6_daddr.in6_u.u6_addr8);
	READ(family, sk->__sk_common.skc_family);
	READ(mark, sk->sk_mark);
	return from[3] + to[5] + family + mark;
}

LICENSE;
