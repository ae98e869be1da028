//! Tracepoints: which kernels have a raw or BTF tracepoint, a classic one, or those of a syscall.

use super::answer::Answer;
use super::attach::{Functions, IN_MODULE};
use super::data::{NO_FUNCTIONS, Requirement, Verdict};
use super::features::Judge;
use super::syscalls;
use crate::hub::file::KernelSet;
use crate::resolve::RootKind;

impl Judge<'_> {
    /// A classic tracepoint.
    pub(super) fn tracepoint(&self, category: &str, event: &str) -> Answer {
        let requirement = Requirement::new("tracepoint", format!("{category}/{event}"), None);
        let syscall = ["sys_enter_", "sys_exit_"].iter().find_map(|prefix| event.strip_prefix(prefix));
        if let (Some(syscall), "syscalls") = (syscall, category) {
            return self.syscall_tracepoint(requirement, syscall);
        }
        let answer = self.raw_event(requirement, event);
        // By convention, tracepoints whose names end so have no event.
        let is_bare = event.ends_with("_tp") || event.starts_with("android_");
        answer.doubt_if(is_bare, Verdict::Unknown, "tracepoints of such names often have no event")
    }

    /// Syscalls' tracepoints exist for those in the architecture's table (`find_syscall_meta`).
    fn syscall_tracepoint(&self, requirement: Requirement, syscall: &str) -> Answer {
        let (mut has, mut unwired) = (KernelSet::new(), KernelSet::new());
        for arch in self.kernels.archs() {
            let of_arch = self.kernels.of_arch(arch);
            let prefix = syscalls::wrapper_prefix(arch).unwrap_or("sys_");
            let names = [
                format!("{prefix}{syscall}"),
                syscalls::alias(syscall),
                format!("__se_sys_{syscall}"),
                format!("SyS_{syscall}"),
            ];
            let found = names.iter().fold(KernelSet::new(), |all, name| all.union(&self.with_function(name)));
            let found = found.intersection(&of_arch);
            match syscalls::is_wired(arch, syscall) {
                true => has.insert_all(&found),
                false => unwired.insert_all(&found),
            }
        }
        let known = self.facts.kernels_with_functions();
        let lacks = known.difference(&has).difference(&unwired);
        let unmeasured = has.difference(&self.measured());
        let without_events = has.difference(&self.facts.kernels_with(RootKind::Struct, "syscall_metadata"));
        Answer::new(requirement, has.clone())
            .doubt(Verdict::Fails, format!("the kernel has no syscall {syscall}"), lacks)
            .doubt(
                Verdict::Fails,
                "the syscall is not in the table of 64-bit syscalls, so it has no tracepoint",
                unwired,
            )
            .doubt(Verdict::Fails, "the kernel is built without tracepoints of syscalls", without_events)
            .doubt(
                Verdict::Likely,
                "whether the syscall is in this architecture's table is not known",
                unmeasured,
            )
            .doubt(Verdict::Unknown, NO_FUNCTIONS, self.kernels.all.difference(known))
    }

    /// A raw tracepoint, by name (`bpf_get_raw_tracepoint`) or by the typedef that its programs are checked against.
    pub(super) fn raw_tracepoint(&self, event: &str, by_btf: bool) -> Answer {
        let requirement =
            Requirement::new(if by_btf { "BTF tracepoint" } else { "raw tracepoint" }, event, None);
        self.raw_event(requirement, event)
    }

    fn raw_event(&self, requirement: Requirement, event: &str) -> Answer {
        let has = self.facts.kernels_with(RootKind::Typedef, &format!("btf_trace_{event}"));
        // Every kernel that has such typedefs has this one.
        let listed = self.facts.kernels_with(RootKind::Typedef, "btf_trace_sched_switch").union(&has);
        let unlisted = self.kernels.all.difference(&listed);
        // Before these typedefs, in 5.5, the name of the function that records the event tells it if its class has its name.
        let shown = self.with_function(&format!("trace_event_raw_event_{event}")).intersection(&unlisted);
        let lacks = listed.difference(&has);
        // Since 5.10 the module that defines a tracepoint has this function.
        let functions = Functions::new(&self.facts.functions(&format!("__traceiter_{event}")));
        let in_module = functions.in_module.intersection(&has);
        let answer = Answer::new(requirement, has);
        let why = format!("the kernel has no tracepoint {event}");
        self.missing(answer, lacks, &why, functions.module.as_deref())
            .doubt(Verdict::Likely, IN_MODULE, in_module)
            .doubt(
                Verdict::Likely,
                "the kernel's BTF lists no tracepoints, but has this one's function",
                shown.clone(),
            )
            .doubt(
                Verdict::Unknown,
                "the kernel's BTF does not list its tracepoints",
                unlisted.difference(&shown),
            )
    }
}
