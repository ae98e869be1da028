//! Targets: what a program attaches to, from its section's name, as libbpf's attach functions read it.

use super::sections::{Attach, SectionDef};

/// What a program attaches to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A kernel function, for a kprobe or kretprobe.
    Function {
        /// Its name.
        name: String,
        /// Offset of the instruction in it.
        offset: u64,
    },
    /// All kernel functions that match a pattern with `*` and `?`.
    Functions {
        /// The pattern.
        pattern: String,
    },
    /// A syscall, by its name without prefix.
    Syscall {
        /// Such as `openat`.
        name: String,
    },
    /// A classic tracepoint.
    Tracepoint {
        /// Such as `syscalls`.
        category: String,
        /// Such as `sys_enter_openat`.
        event: String,
    },
    /// A raw tracepoint: the kernel's BTF has a typedef `btf_trace_<event>`.
    RawTracepoint {
        /// Such as `sched_switch`.
        event: String,
    },
    /// A kernel function with a trampoline (fentry, fexit, fmod_ret): its number of argument words is limited.
    TracedFunction {
        /// The module, if the section names one.
        module: Option<String>,
        /// Its name.
        name: String,
    },
    /// An LSM hook: the kernel's BTF has a function `bpf_lsm_<hook>`.
    LsmHook {
        /// Such as `file_open`.
        hook: String,
    },
    /// An iterator: the kernel's BTF has a function `bpf_iter_<name>`.
    Iterator {
        /// Such as `task`.
        name: String,
    },
    /// A function of an eBPF program, for freplace.
    Program {
        /// Its name.
        name: String,
    },
    /// A function or probe of a user-space program.
    User {
        /// As in the section's name: `<path>:<function>` or `<path>:<provider>:<name>`.
        text: String,
    },
    /// A text that libbpf's attach function refuses.
    Invalid {
        /// The text.
        text: String,
    },
}

impl Target {
    /// The target in a section's name, without its question mark; none if the loader must set it.
    pub(super) fn parse(def: &SectionDef, section: &str) -> Option<Self> {
        if !def.section.ends_with('+') {
            return None;
        }
        let (kind, text) = section.split_once('/')?;
        let name = || text.to_owned();
        let invalid = || Self::Invalid { text: name() };
        let Some(attach) = def.attach else {
            // `lsm_cgroup` has a BTF id and is attached by the loader; the name of a struct_ops program has no effect.
            return def.attaches_by_btf_id().then(|| Self::LsmHook { hook: name() });
        };
        Some(match attach {
            Attach::Kprobe => kprobe(text, kind.starts_with("kret")).unwrap_or_else(invalid),
            Attach::KprobeMulti | Attach::KprobeSession | Attach::TracingMulti => {
                let pattern = leading(text, |char| is_symbol(char) || matches!(char, '*' | '?'));
                if pattern.is_empty() { invalid() } else { Self::Functions { pattern: pattern.to_owned() } }
            }
            Attach::Ksyscall => Self::Syscall { name: name() },
            Attach::Tracepoint => match text.split_once('/') {
                Some((category, event)) => {
                    Self::Tracepoint { category: category.to_owned(), event: event.to_owned() }
                }
                None => invalid(),
            },
            Attach::RawTracepoint => Self::RawTracepoint { event: name() },
            Attach::Uprobe | Attach::UprobeMulti if !text.contains(':') => invalid(),
            Attach::Usdt if text.split(':').filter(|part| !part.is_empty()).count() < 3 => invalid(),
            Attach::Uprobe | Attach::UprobeMulti | Attach::Usdt => Self::User { text: name() },
            Attach::Lsm => Self::LsmHook { hook: name() },
            Attach::Iter => Self::Iterator { name: name() },
            Attach::Trace if kind.starts_with("tp_btf") => Self::RawTracepoint { event: name() },
            Attach::Trace if kind.starts_with("freplace") => Self::Program { name: name() },
            Attach::Trace => match text.split_once(':') {
                Some((module, name)) => {
                    Self::TracedFunction { module: Some(module.to_owned()), name: name.to_owned() }
                }
                None => Self::TracedFunction { module: None, name: name() },
            },
        })
    }
}

/// The function and offset of a kprobe, which a kretprobe may not have (`attach_kprobe`).
fn kprobe(text: &str, is_return: bool) -> Option<Target> {
    let name = leading(text, is_symbol);
    let offset = text[name.len()..].strip_prefix('+').map_or(0, parse_number);
    let is_refused = name.is_empty() || is_return && offset != 0;
    (!is_refused).then(|| Target::Function { name: name.to_owned(), offset })
}

/// A number as `sscanf` reads it with `%li`; 0 if there is none. What follows it is ignored.
fn parse_number(text: &str) -> u64 {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None if text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    u64::from_str_radix(leading(digits, |char| char.is_digit(radix)), radix).unwrap_or(0)
}

fn leading(text: &str, accept: impl Fn(char) -> bool) -> &str {
    &text[..text.find(|char| !accept(char)).unwrap_or(text.len())]
}

fn is_symbol(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '_' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_section_names() {
        let check = |section: &str, expect: Option<Target>| {
            let def = SectionDef::find(section).expect("a known section");
            assert_eq!(Target::parse(def, section), expect, "{section}");
        };
        let function = |name: &str, offset| Some(Target::Function { name: name.to_owned(), offset });
        let invalid = |text: &str| Some(Target::Invalid { text: text.to_owned() });
        check("kprobe", None);
        check("kprobe/do_unlinkat", function("do_unlinkat", 0));
        check("kprobe/do_unlinkat+0x10", function("do_unlinkat", 16));
        check("kprobe/do_unlinkat+010", function("do_unlinkat", 8));
        check("kprobe/f.isra.0+12x", function("f.isra.0", 12));
        check("kprobe/", invalid(""));
        check("kretprobe/f+4", invalid("f+4"));
        check("kprobe.multi/tcp_*", Some(Target::Functions { pattern: "tcp_*".to_owned() }));
        check("ksyscall/openat", Some(Target::Syscall { name: "openat".to_owned() }));
        let event = |category: &str, event: &str| {
            Some(Target::Tracepoint { category: category.to_owned(), event: event.to_owned() })
        };
        check("tp/sched/sched_switch", event("sched", "sched_switch"));
        check("tracepoint/syscalls/sys_enter_openat", event("syscalls", "sys_enter_openat"));
        check("tp/sched_switch", invalid("sched_switch"));
        check("raw_tp.w/bpf_test", Some(Target::RawTracepoint { event: "bpf_test".to_owned() }));
        check("tp_btf/sched_switch", Some(Target::RawTracepoint { event: "sched_switch".to_owned() }));
        let traced = |module: Option<&str>, name: &str| {
            Some(Target::TracedFunction { module: module.map(str::to_owned), name: name.to_owned() })
        };
        check("fentry/tcp_connect", traced(None, "tcp_connect"));
        check("fexit.s/xfs:xfs_file_open", traced(Some("xfs"), "xfs_file_open"));
        check(
            "lsm.s/bprm_committed_creds",
            Some(Target::LsmHook { hook: "bprm_committed_creds".to_owned() }),
        );
        check("lsm_cgroup/socket_bind", Some(Target::LsmHook { hook: "socket_bind".to_owned() }));
        check("iter/task", Some(Target::Iterator { name: "task".to_owned() }));
        check("freplace/xdp_main", Some(Target::Program { name: "xdp_main".to_owned() }));
        check("uprobe//bin/bash:readline", Some(Target::User { text: "/bin/bash:readline".to_owned() }));
        check("uprobe//bin/bash", invalid("/bin/bash"));
        check("usdt/libc.so.6:libc:setjmp", Some(Target::User { text: "libc.so.6:libc:setjmp".to_owned() }));
        check("usdt/libc.so.6:libc", invalid("libc.so.6:libc"));
        check("struct_ops/init", None);
        check("xdp", None);
        check("tc/ingress", None);
    }
}
