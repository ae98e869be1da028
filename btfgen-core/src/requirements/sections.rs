//! Sections: the program type, attach type and way of attaching of each section name, as in libbpf's `section_defs`.

/// How libbpf attaches a program by itself, named after its function in `src/libbpf.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attach {
    /// `attach_kprobe`: a kprobe or kretprobe; through a link of a perf event, or on older kernels the event itself.
    Kprobe,
    /// `attach_uprobe`.
    Uprobe,
    /// `attach_kprobe_multi`.
    KprobeMulti,
    /// `attach_kprobe_session`.
    KprobeSession,
    /// `attach_uprobe_multi`.
    UprobeMulti,
    /// `attach_ksyscall`: a kprobe on the syscall's wrapper or, if the kernel has no wrappers, on its function.
    Ksyscall,
    /// `attach_usdt`: a uprobe, or a uprobe_multi link if the kernel has it.
    Usdt,
    /// `attach_tp`: a tracepoint's perf event.
    Tracepoint,
    /// `attach_raw_tp`.
    RawTracepoint,
    /// `attach_trace`: fentry, fexit, fmod_ret, tp_btf and freplace.
    Trace,
    /// `attach_tracing_multi`.
    TracingMulti,
    /// `attach_lsm`.
    Lsm,
    /// `attach_iter`.
    Iter,
}

impl Attach {
    /// The link type without which it fails. The others attach by a perf event or `BPF_RAW_TRACEPOINT_OPEN` if the kernel
    /// has no link of their kind (`bpf_program__attach_perf_event_opts`, `bpf_link_create`).
    pub fn link_type(self) -> Option<&'static str> {
        match self {
            Self::KprobeMulti | Self::KprobeSession => Some("BPF_LINK_TYPE_KPROBE_MULTI"),
            Self::UprobeMulti => Some("BPF_LINK_TYPE_UPROBE_MULTI"),
            Self::TracingMulti => Some("BPF_LINK_TYPE_TRACING_MULTI"),
            Self::Iter => Some("BPF_LINK_TYPE_ITER"),
            _ => None,
        }
    }
}

/// A section's definition (`struct bpf_sec_def`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SectionDef {
    /// The section's name. A final `+` means that a slash and a target may follow.
    pub section: &'static str,
    /// The program type.
    pub program_type: &'static str,
    /// The expected attach type, if there is one.
    pub attach_type: Option<&'static str>,
    /// How libbpf attaches the program by itself; none if it only loads it.
    pub attach: Option<Attach>,
    flags: Flags,
}

/// libbpf's `enum sec_def_flags`.
type Flags = u8;

const NONE: Flags = 0;
const EXP_ATTACH_OPT: Flags = 1;
const ATTACHABLE: Flags = 2;
const ATTACHABLE_OPT: Flags = ATTACHABLE | EXP_ATTACH_OPT;
const ATTACH_BTF: Flags = 4;
const SLEEPABLE: Flags = 8;
const XDP_FRAGS: Flags = 16;
const USDT: Flags = 32;

const fn def(
    section: &'static str,
    program_type: &'static str,
    attach_type: &'static str,
    flags: Flags,
) -> SectionDef {
    let attach_type = if attach_type.is_empty() { None } else { Some(attach_type) };
    SectionDef { section, program_type, attach_type, attach: None, flags }
}

impl SectionDef {
    const fn attached_by(self, attach: Attach) -> Self {
        Self { attach: Some(attach), ..self }
    }

    /// libbpf's `find_sec_def`: the definition of a section's name, without its question mark.
    pub fn find(section: &str) -> Option<&'static Self> {
        SECTION_DEFS.iter().find(|def| def.matches(section))
    }

    /// libbpf's `sec_def_matches`.
    fn matches(&self, section: &str) -> bool {
        match self.section.strip_suffix('+') {
            Some(prefix) => {
                section.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            None => section == self.section,
        }
    }

    /// Whether libbpf leaves the attach type out if the kernel does not know that field (`SEC_EXP_ATTACH_OPT`).
    pub fn attach_type_is_optional(&self) -> bool {
        self.flags & EXP_ATTACH_OPT != 0
    }

    /// Whether the program is loaded with the BTF id of what it attaches to (`SEC_ATTACH_BTF`).
    pub fn attaches_by_btf_id(&self) -> bool {
        self.flags & ATTACH_BTF != 0
    }

    /// Whether the program attaches to a user-space program.
    pub fn attaches_to_user_space(&self) -> bool {
        matches!(self.attach, Some(Attach::Uprobe | Attach::UprobeMulti | Attach::Usdt))
    }

    /// Whether the program may sleep: loaded with `BPF_F_SLEEPABLE`.
    pub fn is_sleepable(&self) -> bool {
        self.flags & SLEEPABLE != 0
    }

    /// Whether the program handles packets in fragments: loaded with `BPF_F_XDP_HAS_FRAGS`.
    pub fn has_xdp_frags(&self) -> bool {
        self.flags & XDP_FRAGS != 0
    }
}

/// libbpf's `section_defs`, in its order.
#[rustfmt::skip]
pub const SECTION_DEFS: [SectionDef; 116] = [
    def("socket", "BPF_PROG_TYPE_SOCKET_FILTER", "", NONE),
    def("sk_reuseport/migrate", "BPF_PROG_TYPE_SK_REUSEPORT", "BPF_SK_REUSEPORT_SELECT_OR_MIGRATE", ATTACHABLE),
    def("sk_reuseport", "BPF_PROG_TYPE_SK_REUSEPORT", "BPF_SK_REUSEPORT_SELECT", ATTACHABLE),
    def("kprobe+", "BPF_PROG_TYPE_KPROBE", "", NONE).attached_by(Attach::Kprobe),
    def("uprobe+", "BPF_PROG_TYPE_KPROBE", "", NONE).attached_by(Attach::Uprobe),
    def("uprobe.s+", "BPF_PROG_TYPE_KPROBE", "", SLEEPABLE).attached_by(Attach::Uprobe),
    def("kretprobe+", "BPF_PROG_TYPE_KPROBE", "", NONE).attached_by(Attach::Kprobe),
    def("uretprobe+", "BPF_PROG_TYPE_KPROBE", "", NONE).attached_by(Attach::Uprobe),
    def("uretprobe.s+", "BPF_PROG_TYPE_KPROBE", "", SLEEPABLE).attached_by(Attach::Uprobe),
    def("kprobe.multi+", "BPF_PROG_TYPE_KPROBE", "BPF_TRACE_KPROBE_MULTI", NONE).attached_by(Attach::KprobeMulti),
    def("kretprobe.multi+", "BPF_PROG_TYPE_KPROBE", "BPF_TRACE_KPROBE_MULTI", NONE).attached_by(Attach::KprobeMulti),
    def("kprobe.session+", "BPF_PROG_TYPE_KPROBE", "BPF_TRACE_KPROBE_SESSION", NONE).attached_by(Attach::KprobeSession),
    def("uprobe.multi+", "BPF_PROG_TYPE_KPROBE", "BPF_TRACE_UPROBE_MULTI", NONE).attached_by(Attach::UprobeMulti),
    def("uretprobe.multi+", "BPF_PROG_TYPE_KPROBE", "BPF_TRACE_UPROBE_MULTI", NONE).attached_by(Attach::UprobeMulti),
    def("uprobe.session+", "BPF_PROG_TYPE_KPROBE", "BPF_TRACE_UPROBE_SESSION", NONE).attached_by(Attach::UprobeMulti),
    def("uprobe.multi.s+", "BPF_PROG_TYPE_KPROBE", "BPF_TRACE_UPROBE_MULTI", SLEEPABLE).attached_by(Attach::UprobeMulti),
    def("uretprobe.multi.s+", "BPF_PROG_TYPE_KPROBE", "BPF_TRACE_UPROBE_MULTI", SLEEPABLE).attached_by(Attach::UprobeMulti),
    def("uprobe.session.s+", "BPF_PROG_TYPE_KPROBE", "BPF_TRACE_UPROBE_SESSION", SLEEPABLE).attached_by(Attach::UprobeMulti),
    def("ksyscall+", "BPF_PROG_TYPE_KPROBE", "", NONE).attached_by(Attach::Ksyscall),
    def("kretsyscall+", "BPF_PROG_TYPE_KPROBE", "", NONE).attached_by(Attach::Ksyscall),
    def("usdt+", "BPF_PROG_TYPE_KPROBE", "", USDT).attached_by(Attach::Usdt),
    def("usdt.s+", "BPF_PROG_TYPE_KPROBE", "", USDT | SLEEPABLE).attached_by(Attach::Usdt),
    def("tc/ingress", "BPF_PROG_TYPE_SCHED_CLS", "BPF_TCX_INGRESS", NONE),
    def("tc/egress", "BPF_PROG_TYPE_SCHED_CLS", "BPF_TCX_EGRESS", NONE),
    def("tcx/ingress", "BPF_PROG_TYPE_SCHED_CLS", "BPF_TCX_INGRESS", NONE),
    def("tcx/egress", "BPF_PROG_TYPE_SCHED_CLS", "BPF_TCX_EGRESS", NONE),
    def("tc", "BPF_PROG_TYPE_SCHED_CLS", "", NONE),
    def("classifier", "BPF_PROG_TYPE_SCHED_CLS", "", NONE),
    def("action", "BPF_PROG_TYPE_SCHED_ACT", "", NONE),
    def("netkit/primary", "BPF_PROG_TYPE_SCHED_CLS", "BPF_NETKIT_PRIMARY", NONE),
    def("netkit/peer", "BPF_PROG_TYPE_SCHED_CLS", "BPF_NETKIT_PEER", NONE),
    def("tracepoint+", "BPF_PROG_TYPE_TRACEPOINT", "", NONE).attached_by(Attach::Tracepoint),
    def("tp+", "BPF_PROG_TYPE_TRACEPOINT", "", NONE).attached_by(Attach::Tracepoint),
    def("tracepoint.s+", "BPF_PROG_TYPE_TRACEPOINT", "", SLEEPABLE).attached_by(Attach::Tracepoint),
    def("tp.s+", "BPF_PROG_TYPE_TRACEPOINT", "", SLEEPABLE).attached_by(Attach::Tracepoint),
    def("raw_tracepoint+", "BPF_PROG_TYPE_RAW_TRACEPOINT", "", NONE).attached_by(Attach::RawTracepoint),
    def("raw_tp+", "BPF_PROG_TYPE_RAW_TRACEPOINT", "", NONE).attached_by(Attach::RawTracepoint),
    def("raw_tracepoint.s+", "BPF_PROG_TYPE_RAW_TRACEPOINT", "", SLEEPABLE).attached_by(Attach::RawTracepoint),
    def("raw_tp.s+", "BPF_PROG_TYPE_RAW_TRACEPOINT", "", SLEEPABLE).attached_by(Attach::RawTracepoint),
    def("raw_tracepoint.w+", "BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE", "", NONE).attached_by(Attach::RawTracepoint),
    def("raw_tp.w+", "BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE", "", NONE).attached_by(Attach::RawTracepoint),
    def("tp_btf+", "BPF_PROG_TYPE_TRACING", "BPF_TRACE_RAW_TP", ATTACH_BTF).attached_by(Attach::Trace),
    def("tp_btf.s+", "BPF_PROG_TYPE_TRACING", "BPF_TRACE_RAW_TP", ATTACH_BTF | SLEEPABLE).attached_by(Attach::Trace),
    def("fentry+", "BPF_PROG_TYPE_TRACING", "BPF_TRACE_FENTRY", ATTACH_BTF).attached_by(Attach::Trace),
    def("fmod_ret+", "BPF_PROG_TYPE_TRACING", "BPF_MODIFY_RETURN", ATTACH_BTF).attached_by(Attach::Trace),
    def("fexit+", "BPF_PROG_TYPE_TRACING", "BPF_TRACE_FEXIT", ATTACH_BTF).attached_by(Attach::Trace),
    def("fentry.s+", "BPF_PROG_TYPE_TRACING", "BPF_TRACE_FENTRY", ATTACH_BTF | SLEEPABLE).attached_by(Attach::Trace),
    def("fmod_ret.s+", "BPF_PROG_TYPE_TRACING", "BPF_MODIFY_RETURN", ATTACH_BTF | SLEEPABLE).attached_by(Attach::Trace),
    def("fexit.s+", "BPF_PROG_TYPE_TRACING", "BPF_TRACE_FEXIT", ATTACH_BTF | SLEEPABLE).attached_by(Attach::Trace),
    def("fsession+", "BPF_PROG_TYPE_TRACING", "BPF_TRACE_FSESSION", ATTACH_BTF).attached_by(Attach::Trace),
    def("fsession.s+", "BPF_PROG_TYPE_TRACING", "BPF_TRACE_FSESSION", ATTACH_BTF | SLEEPABLE).attached_by(Attach::Trace),
    def("fsession.multi+", "BPF_PROG_TYPE_TRACING", "BPF_TRACE_FSESSION_MULTI", NONE).attached_by(Attach::TracingMulti),
    def("fsession.multi.s+", "BPF_PROG_TYPE_TRACING", "BPF_TRACE_FSESSION_MULTI", SLEEPABLE).attached_by(Attach::TracingMulti),
    def("fentry.multi+", "BPF_PROG_TYPE_TRACING", "BPF_TRACE_FENTRY_MULTI", NONE).attached_by(Attach::TracingMulti),
    def("fexit.multi+", "BPF_PROG_TYPE_TRACING", "BPF_TRACE_FEXIT_MULTI", NONE).attached_by(Attach::TracingMulti),
    def("fentry.multi.s+", "BPF_PROG_TYPE_TRACING", "BPF_TRACE_FENTRY_MULTI", SLEEPABLE).attached_by(Attach::TracingMulti),
    def("fexit.multi.s+", "BPF_PROG_TYPE_TRACING", "BPF_TRACE_FEXIT_MULTI", SLEEPABLE).attached_by(Attach::TracingMulti),
    def("freplace+", "BPF_PROG_TYPE_EXT", "", ATTACH_BTF).attached_by(Attach::Trace),
    def("lsm+", "BPF_PROG_TYPE_LSM", "BPF_LSM_MAC", ATTACH_BTF).attached_by(Attach::Lsm),
    def("lsm.s+", "BPF_PROG_TYPE_LSM", "BPF_LSM_MAC", ATTACH_BTF | SLEEPABLE).attached_by(Attach::Lsm),
    def("lsm_cgroup+", "BPF_PROG_TYPE_LSM", "BPF_LSM_CGROUP", ATTACH_BTF),
    def("iter+", "BPF_PROG_TYPE_TRACING", "BPF_TRACE_ITER", ATTACH_BTF).attached_by(Attach::Iter),
    def("iter.s+", "BPF_PROG_TYPE_TRACING", "BPF_TRACE_ITER", ATTACH_BTF | SLEEPABLE).attached_by(Attach::Iter),
    def("syscall", "BPF_PROG_TYPE_SYSCALL", "", SLEEPABLE),
    def("xdp.frags/devmap", "BPF_PROG_TYPE_XDP", "BPF_XDP_DEVMAP", XDP_FRAGS),
    def("xdp/devmap", "BPF_PROG_TYPE_XDP", "BPF_XDP_DEVMAP", ATTACHABLE),
    def("xdp.frags/cpumap", "BPF_PROG_TYPE_XDP", "BPF_XDP_CPUMAP", XDP_FRAGS),
    def("xdp/cpumap", "BPF_PROG_TYPE_XDP", "BPF_XDP_CPUMAP", ATTACHABLE),
    def("xdp.frags", "BPF_PROG_TYPE_XDP", "BPF_XDP", XDP_FRAGS),
    def("xdp", "BPF_PROG_TYPE_XDP", "BPF_XDP", ATTACHABLE_OPT),
    def("perf_event", "BPF_PROG_TYPE_PERF_EVENT", "", NONE),
    def("lwt_in", "BPF_PROG_TYPE_LWT_IN", "", NONE),
    def("lwt_out", "BPF_PROG_TYPE_LWT_OUT", "", NONE),
    def("lwt_xmit", "BPF_PROG_TYPE_LWT_XMIT", "", NONE),
    def("lwt_seg6local", "BPF_PROG_TYPE_LWT_SEG6LOCAL", "", NONE),
    def("sockops", "BPF_PROG_TYPE_SOCK_OPS", "BPF_CGROUP_SOCK_OPS", ATTACHABLE_OPT),
    def("sk_skb/stream_parser", "BPF_PROG_TYPE_SK_SKB", "BPF_SK_SKB_STREAM_PARSER", ATTACHABLE_OPT),
    def("sk_skb/stream_verdict", "BPF_PROG_TYPE_SK_SKB", "BPF_SK_SKB_STREAM_VERDICT", ATTACHABLE_OPT),
    def("sk_skb/verdict", "BPF_PROG_TYPE_SK_SKB", "BPF_SK_SKB_VERDICT", ATTACHABLE_OPT),
    def("sk_skb", "BPF_PROG_TYPE_SK_SKB", "", NONE),
    def("sk_msg", "BPF_PROG_TYPE_SK_MSG", "BPF_SK_MSG_VERDICT", ATTACHABLE_OPT),
    def("lirc_mode2", "BPF_PROG_TYPE_LIRC_MODE2", "BPF_LIRC_MODE2", ATTACHABLE_OPT),
    def("flow_dissector", "BPF_PROG_TYPE_FLOW_DISSECTOR", "BPF_FLOW_DISSECTOR", ATTACHABLE_OPT),
    def("cgroup_skb/ingress", "BPF_PROG_TYPE_CGROUP_SKB", "BPF_CGROUP_INET_INGRESS", ATTACHABLE_OPT),
    def("cgroup_skb/egress", "BPF_PROG_TYPE_CGROUP_SKB", "BPF_CGROUP_INET_EGRESS", ATTACHABLE_OPT),
    def("cgroup/skb", "BPF_PROG_TYPE_CGROUP_SKB", "", NONE),
    def("cgroup/sock_create", "BPF_PROG_TYPE_CGROUP_SOCK", "BPF_CGROUP_INET_SOCK_CREATE", ATTACHABLE),
    def("cgroup/sock_release", "BPF_PROG_TYPE_CGROUP_SOCK", "BPF_CGROUP_INET_SOCK_RELEASE", ATTACHABLE),
    def("cgroup/sock", "BPF_PROG_TYPE_CGROUP_SOCK", "BPF_CGROUP_INET_SOCK_CREATE", ATTACHABLE_OPT),
    def("cgroup/post_bind4", "BPF_PROG_TYPE_CGROUP_SOCK", "BPF_CGROUP_INET4_POST_BIND", ATTACHABLE),
    def("cgroup/post_bind6", "BPF_PROG_TYPE_CGROUP_SOCK", "BPF_CGROUP_INET6_POST_BIND", ATTACHABLE),
    def("cgroup/bind4", "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", "BPF_CGROUP_INET4_BIND", ATTACHABLE),
    def("cgroup/bind6", "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", "BPF_CGROUP_INET6_BIND", ATTACHABLE),
    def("cgroup/connect4", "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", "BPF_CGROUP_INET4_CONNECT", ATTACHABLE),
    def("cgroup/connect6", "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", "BPF_CGROUP_INET6_CONNECT", ATTACHABLE),
    def("cgroup/connect_unix", "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", "BPF_CGROUP_UNIX_CONNECT", ATTACHABLE),
    def("cgroup/sendmsg4", "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", "BPF_CGROUP_UDP4_SENDMSG", ATTACHABLE),
    def("cgroup/sendmsg6", "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", "BPF_CGROUP_UDP6_SENDMSG", ATTACHABLE),
    def("cgroup/sendmsg_unix", "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", "BPF_CGROUP_UNIX_SENDMSG", ATTACHABLE),
    def("cgroup/recvmsg4", "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", "BPF_CGROUP_UDP4_RECVMSG", ATTACHABLE),
    def("cgroup/recvmsg6", "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", "BPF_CGROUP_UDP6_RECVMSG", ATTACHABLE),
    def("cgroup/recvmsg_unix", "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", "BPF_CGROUP_UNIX_RECVMSG", ATTACHABLE),
    def("cgroup/getpeername4", "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", "BPF_CGROUP_INET4_GETPEERNAME", ATTACHABLE),
    def("cgroup/getpeername6", "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", "BPF_CGROUP_INET6_GETPEERNAME", ATTACHABLE),
    def("cgroup/getpeername_unix", "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", "BPF_CGROUP_UNIX_GETPEERNAME", ATTACHABLE),
    def("cgroup/getsockname4", "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", "BPF_CGROUP_INET4_GETSOCKNAME", ATTACHABLE),
    def("cgroup/getsockname6", "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", "BPF_CGROUP_INET6_GETSOCKNAME", ATTACHABLE),
    def("cgroup/getsockname_unix", "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", "BPF_CGROUP_UNIX_GETSOCKNAME", ATTACHABLE),
    def("cgroup/sysctl", "BPF_PROG_TYPE_CGROUP_SYSCTL", "BPF_CGROUP_SYSCTL", ATTACHABLE),
    def("cgroup/getsockopt", "BPF_PROG_TYPE_CGROUP_SOCKOPT", "BPF_CGROUP_GETSOCKOPT", ATTACHABLE),
    def("cgroup/setsockopt", "BPF_PROG_TYPE_CGROUP_SOCKOPT", "BPF_CGROUP_SETSOCKOPT", ATTACHABLE),
    def("cgroup/dev", "BPF_PROG_TYPE_CGROUP_DEVICE", "BPF_CGROUP_DEVICE", ATTACHABLE_OPT),
    def("struct_ops+", "BPF_PROG_TYPE_STRUCT_OPS", "", NONE),
    def("struct_ops.s+", "BPF_PROG_TYPE_STRUCT_OPS", "", SLEEPABLE),
    def("sk_lookup", "BPF_PROG_TYPE_SK_LOOKUP", "BPF_SK_LOOKUP", ATTACHABLE),
    def("netfilter", "BPF_PROG_TYPE_NETFILTER", "BPF_NETFILTER", NONE),
];
