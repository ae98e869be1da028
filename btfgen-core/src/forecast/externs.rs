//! Externs: which kernels have a kfunc, a kernel symbol or a kconfig value.

use super::answer::Answer;
use super::attach::IN_MODULE;
use super::data::{NO_FUNCTIONS, Requirement, Verdict};
use super::features::Judge;
use crate::hub::file::KernelSet;
use crate::requirements::{Extern, ExternKind, Group, Program, essential_name, since};

/// Program types that most kfuncs are meant for.
const HAVE_KFUNCS: [&str; 7] = [
    "BPF_PROG_TYPE_TRACING",
    "BPF_PROG_TYPE_LSM",
    "BPF_PROG_TYPE_STRUCT_OPS",
    "BPF_PROG_TYPE_SYSCALL",
    "BPF_PROG_TYPE_XDP",
    "BPF_PROG_TYPE_SCHED_CLS",
    "BPF_PROG_TYPE_CGROUP_SKB",
];

/// The prefix of values that libbpf reads from the kernel's configuration; it computes the others itself.
const CONFIG: &str = "CONFIG_";

impl Judge<'_> {
    /// An extern, as if it were strong.
    pub(super) fn external(&self, own: &Extern) -> Answer {
        match own.kind {
            ExternKind::Kfunc => self.kfunc(essential_name(&own.name)),
            ExternKind::TypedKsym | ExternKind::Ksym => self.variable(own),
            ExternKind::Kconfig => self.kconfig(own),
        }
    }

    fn kfunc(&self, name: &str) -> Answer {
        let rows = self.facts.functions(name);
        let has: KernelSet = rows.iter().map(|row| &row.kernels).collect();
        let tagged: KernelSet = rows.iter().filter(|row| row.is_kfunc).map(|row| &row.kernels).collect();
        let module = rows.iter().find_map(|row| row.module);
        let in_module = rows.iter().filter(|row| row.module.is_some()).map(|row| &row.kernels).collect();
        let with_tags = self.facts.kernels_with_kfunc_tags();
        let known = self.facts.kernels_with_functions();
        let requirement = Requirement::new("kfunc", name, since(Group::Kfunc, name));
        let no_kfunc = has.intersection(with_tags).difference(&tagged);
        let answer = Answer::new(requirement, has.difference(&no_kfunc));
        let untagged = has.difference(&tagged).difference(&no_kfunc);
        let (verdict, why) = match since(Group::Kfunc, name) {
            Some(_) => (Verdict::Likely, "the kernel's BTF does not mark kfuncs"),
            None => (
                Verdict::Unknown,
                "the kernel's BTF does not mark kfuncs, and upstream has none of that name",
            ),
        };
        self.missing(answer, known.difference(&has), &format!("the kernel has no function {name}"), module)
            .doubt(Verdict::Fails, "the kernel's function of that name is not a kfunc", no_kfunc)
            .doubt(verdict, why, untagged)
            .doubt(Verdict::Likely, IN_MODULE, in_module)
            .doubt(Verdict::Unknown, NO_FUNCTIONS, self.kernels.all.difference(known))
    }

    /// Adds whether programs of a type may call a kfunc (`bpf_prog_type_to_kfunc_hook`): BTF does not tell.
    pub(super) fn call_kfunc(&self, answer: &Answer, program: &Program) -> Answer {
        let verdict = match program.def.map(|def| def.program_type) {
            Some(program_type) if HAVE_KFUNCS.contains(&program_type) => Verdict::Likely,
            _ => Verdict::Unknown,
        };
        let why = "whether programs of this type may call it is not known";
        answer.clone().doubt_if(true, verdict, why)
    }

    /// A kernel symbol: BTF tells of functions only.
    fn variable(&self, own: &Extern) -> Answer {
        let name = essential_name(&own.name);
        let has = if own.kind == ExternKind::Ksym { self.with_function(name) } else { KernelSet::new() };
        let unknown = self.kernels.all.difference(&has);
        Answer::new(Requirement::new("ksym", name, None), has).doubt(
            Verdict::Unknown,
            "whether the kernel has this symbol is not known; look for it in /proc/kallsyms",
            unknown,
        )
    }

    fn kconfig(&self, own: &Extern) -> Answer {
        let all = &self.kernels.all;
        let requirement = Requirement::new("kernel configuration", own.name.clone(), None);
        match own.name.starts_with(CONFIG) && !own.weak {
            true => {
                let why = "the configuration is not known; libbpf reads it from /proc/config.gz or /boot";
                Answer::unknown(requirement, why, all)
            }
            false => Answer::new(requirement, all.clone()),
        }
    }
}
