//! Attachment: which kernels have the function or hook that a program attaches to, and whether it can be attached there.

use super::answer::Answer;
use super::data::{NO_FUNCTIONS, Requirement, Verdict};
use super::features::Judge;
use super::syscalls;
use crate::hub::file::{FunctionFacts, KernelSet};
use crate::requirements::{Attach, Program, SectionDef, Target, Version};

/// Argument words of a function that x86_64 trampolines always took; since Linux 6.6 they take up to twelve.
const WORDS_IN_REGISTERS: u8 = 6;
/// Most argument words of any trampoline.
const MAX_WORDS: u8 = 12;
const STACK_ARGUMENTS_SINCE: Version = Version::new(6, 6);

// Why a program cannot be attached to a function that BTF lists.
const UNATTACHABLE: &str = "it is inlined or has no ftrace site";
const NOT_UNIQUE: &str = "several symbols have that name, or it is on the kprobe blacklist";
const MAYBE_ATTACHABLE: &str = "whether it can be attached to is not known";
pub(super) const IN_MODULE: &str = "it is in a module, which must be loaded";

/// Since this version upstream lets programs change the results of syscalls, and sleep there, in every configuration.
const SYSCALLS_MODIFIABLE_SINCE: Version = Version::new(7, 0);

/// Iterators that attach to an object that the loader names (`bpf_iter_attach_map` and others).
const ITERATORS_OF_OBJECTS: [&str; 4] = ["bpf_map_elem", "bpf_sk_storage_map", "cgroup", "sockmap"];

/// LSM hooks that take no programs (the kernel's `bpf_lsm_disabled_hooks`), because of what they return.
const DISABLED_HOOKS: [&str; 11] = [
    "audit_rule_match",
    "getprocattr",
    "getselfattr",
    "inode_copy_up_xattr",
    "inode_getsecurity",
    "inode_listsecurity",
    "inode_need_killpriv",
    "ismaclabel",
    "key_getsecurity",
    "setprocattr",
    "vm_enough_memory",
];
const HOOKS_DISABLED_SINCE: Version = Version::new(6, 12);

/// Since this version kprobes on a name that several symbols have are refused; stable kernels have that, too.
const SYMBOLS_COUNTED_SINCE: Version = Version::new(6, 7);

/// What is known of a name that programs attach to.
#[derive(Default)]
pub(super) struct Functions {
    /// The kernels that have it.
    has: KernelSet,
    attachable: KernelSet,
    /// The kernels in which it takes trampolines, but no kprobe.
    trace_only: KernelSet,
    unattachable: KernelSet,
    /// The kernels that have it in a module only.
    pub(super) in_module: KernelSet,
    /// A module that has it in some kernel.
    pub(super) module: Option<String>,
}

impl Functions {
    pub(super) fn new(rows: &[FunctionFacts<'_>]) -> Self {
        let of_kernel = || rows.iter().filter(|row| row.module.is_none());
        let in_kernel: KernelSet = of_kernel().map(|row| &row.kernels).collect();
        let of_modules = rows.iter().filter(|row| row.module.is_some());
        let in_modules: KernelSet = of_modules.map(|row| &row.kernels).collect();
        let attachable: KernelSet = of_kernel().map(|row| &row.attachable).collect();
        let trace_only: KernelSet = of_kernel().map(|row| &row.trace_only).collect();
        let unattachable: KernelSet = of_kernel().map(|row| &row.unattachable).collect();
        // A module's function of the same name may be attachable.
        let others = [&attachable, &trace_only, &in_modules].into_iter().collect();
        Self {
            unattachable: unattachable.difference(&others),
            in_module: in_modules.difference(&in_kernel),
            has: in_kernel.union(&in_modules),
            module: rows.iter().find_map(|row| row.module).map(str::to_owned),
            attachable,
            trace_only,
        }
    }

    /// The kernels that have it themselves, where it is not known whether it is attachable.
    fn unknown(&self) -> KernelSet {
        let others = [&self.attachable, &self.unattachable, &self.trace_only, &self.in_module];
        self.has.difference(&others.into_iter().collect())
    }
}

impl Judge<'_> {
    /// Answers for the attach target. Empty unless libbpf auto-attaches, or the kernel needs the target at load time.
    pub(super) fn target(&self, program: &Program) -> Vec<Answer> {
        let Some(def) = program.def else { return Vec::new() };
        let unknown = |requirement, why| vec![Answer::unknown(requirement, why, &self.kernels.all)];
        let Some(target) = &program.target else {
            if !def.attaches_by_btf_id() {
                return Vec::new();
            }
            let requirement = Requirement::new("target of", format!("section {}", program.section), None);
            return unknown(requirement, "the loader sets it; name it in targets");
        };
        let mut answers = Vec::new();
        match target {
            Target::Function { name, offset } => answers.push(self.kprobe(name, *offset)),
            Target::Functions { pattern } => answers.push(self.functions_of_pattern(pattern, def.attach)),
            Target::Syscall { name } => answers.push(self.syscall_function(name)),
            Target::Tracepoint { category, event } => answers.push(self.tracepoint(category, event)),
            Target::RawTracepoint { event } => {
                answers.push(self.raw_tracepoint(event, def.attach == Some(Attach::Trace)));
            }
            Target::TracedFunction { module, name } => {
                answers.push(self.traced_function(module.as_deref(), name, def));
            }
            Target::LsmHook { hook } => {
                let answer = self.btf_function("LSM hook", hook, &format!("bpf_lsm_{hook}"));
                answers.push(self.lsm_hook(answer, hook, def.is_sleepable()));
            }
            Target::Iterator { name } => {
                let answer = self.btf_function("iterator", name, &format!("bpf_iter_{name}"));
                let is_of_object = ITERATORS_OF_OBJECTS.contains(&&**name);
                let why = "the loader attaches it with a map or cgroup";
                answers.push(answer.doubt_if(is_of_object, Verdict::Unknown, why));
            }
            Target::Program { name } => {
                let requirement = Requirement::new("program to replace", name.clone(), None);
                return unknown(requirement, "the loader sets it");
            }
            // What a user-space program has is not a matter of the kernel.
            Target::User { .. } => {}
            Target::Invalid { .. } if def.attaches_to_user_space() => {}
            Target::Invalid { text } => {
                let requirement = Requirement::new("target", text.clone(), None);
                let all = self.kernels.all.clone();
                let answer = Answer::new(requirement, KernelSet::new());
                return vec![answer.doubt(Verdict::Fails, "libbpf's attach function refuses it", all)];
            }
        }
        if let Some(link_type) = def.attach.and_then(Attach::link_type) {
            let mut answer = self.link_type(link_type);
            if def.attaches_to_user_space() {
                // It loads; attaching is the loader's.
                for doubt in &mut answer.doubts {
                    doubt.verdict = Verdict::Unknown;
                }
            }
            answers.push(answer);
        }
        answers
    }

    /// A kernel function by name, without attachability.
    ///
    /// `stubs`: kernels where it may exist although BTF does not list it.
    fn function(
        &self,
        requirement: Requirement,
        name: &str,
        functions: &Functions,
        stubs: &KernelSet,
    ) -> Answer {
        let known = self.facts.kernels_with_functions();
        let lacks = known.difference(&functions.has);
        let unknown = self.kernels.all.difference(known);
        let answer = Answer::new(requirement, functions.has.clone());
        if name.contains('.') {
            // BTF has the names of the source code; a suffix such as `.isra.0` is the compiler's.
            let why = "BTF does not list functions with such suffixes";
            return answer.doubt(Verdict::Unknown, why, lacks.union(&unknown));
        }
        let answer = self.missing(
            answer,
            lacks.difference(stubs),
            &format!("the kernel has no function {name}"),
            functions.module.as_deref(),
        );
        let why = "it may be the stub of a syscall that the kernel is built without, which BTF does not list";
        answer.doubt(Verdict::Unknown, why, lacks.intersection(stubs)).doubt(
            Verdict::Unknown,
            NO_FUNCTIONS,
            unknown,
        )
    }

    /// The kernels in which a function of this name may be a stub of a syscall that is an alias of `sys_ni_syscall` (`COND_SYSCALL`).
    fn stubs(&self, name: &str) -> KernelSet {
        if name.starts_with("sys_") {
            return self.with_plain_syscalls();
        }
        match syscalls::syscall_of("s390x", name) {
            Some(_) => self.with_syscall_prefix("s390x"),
            None => KernelSet::new(),
        }
    }

    /// A function that a kprobe is attached to.
    fn kprobe(&self, name: &str, offset: u64) -> Answer {
        let functions = self.functions_behind(name);
        let requirement = Requirement::new("kprobe on", name, None);
        let answer = self.function(requirement, name, &functions, &self.stubs(name));
        let why = "whether an instruction begins at that offset is not known";
        self.kprobe_attachability(answer, &functions).doubt_if(offset != 0, Verdict::Unknown, why)
    }

    /// What is known of a function and, if it is a syscall's, of the function that BTF has in its place.
    fn functions_behind(&self, name: &str) -> Functions {
        let mut rows = self.facts.functions(name);
        let own = Functions::new(&rows).has;
        let mut add_alias = |alias: &str, kernels: &KernelSet| {
            for mut row in self.facts.functions(alias) {
                for set in [&mut row.kernels, &mut row.attachable, &mut row.trace_only, &mut row.unattachable]
                {
                    *set = set.intersection(kernels).difference(&own);
                }
                rows.push(row);
            }
        };
        // Only x86 defines syscalls without arguments by another name (`SYSCALL_DEFINE0`).
        for arch in ["x86_64", "x86"] {
            if let Some(syscall) = syscalls::syscall_of(arch, name) {
                add_alias(&syscalls::alias(syscall), &self.kernels.of_arch(arch));
            }
        }
        // In some versions of s390x the name with the prefix is an alias (`__SYSCALL_DEFINEx`).
        if let Some(syscall) = syscalls::syscall_of("s390x", name) {
            add_alias(&format!("__se_sys_{syscall}"), &self.with_syscall_prefix("s390x"));
        }
        // Without wrappers the plain name is an alias; its function had another name before 4.17.
        if let Some(syscall) = name.strip_prefix("sys_") {
            let plain = self.with_plain_syscalls();
            add_alias(&format!("__se_sys_{syscall}"), &plain);
            add_alias(&format!("SyS_{syscall}"), &plain);
        }
        Functions::new(&rows)
    }

    /// The kernels of an architecture whose syscalls have functions with its prefix.
    ///
    /// Either of two syscalls shows it, because BTF does not list aliases. On x86, the name of a syscall without arguments
    /// (`getpid`) is an alias; in some versions of s390x, the name of one with arguments (`bpf`) is.
    fn with_syscall_prefix(&self, arch: &str) -> KernelSet {
        let Some(prefix) = syscalls::wrapper_prefix(arch) else { return KernelSet::new() };
        let [one, other] = ["bpf", "getpid"].map(|syscall| self.with_function(&format!("{prefix}{syscall}")));
        one.union(&other).intersection(&self.kernels.of_arch(arch))
    }

    /// The kernels whose syscalls have no functions with their architecture's prefix.
    fn with_plain_syscalls(&self) -> KernelSet {
        let archs = self.kernels.archs().into_iter();
        archs.fold(self.kernels.all.clone(), |rest, arch| rest.difference(&self.with_syscall_prefix(arch)))
    }

    /// The functions of a pattern, one of which is enough. kprobe_multi links need fprobes.
    fn functions_of_pattern(&self, pattern: &str, attach: Option<Attach>) -> Answer {
        let functions = match pattern.contains(['*', '?']) {
            true => Functions::new(&self.facts.functions_like(pattern)),
            false => self.functions_behind(pattern),
        };
        let requirement = Requirement::new("functions", pattern, None);
        let answer = self.function(requirement, pattern, &functions, &self.stubs(pattern));
        let answer = attachability(answer, &functions);
        if attach == Some(Attach::TracingMulti) {
            return answer;
        }
        // Kernels without fprobes lack their functions.
        let with_fprobes = self.with_function("register_fprobe_ips");
        let without = self.facts.kernels_with_functions().difference(&with_fprobes).intersection(&answer.has);
        answer.doubt(Verdict::Fails, "the kernel is built without CONFIG_FPROBE", without)
    }

    /// The function of a syscall, by its architecture's name for it (libbpf's `bpf_program__attach_ksyscall`).
    fn syscall_function(&self, syscall: &str) -> Answer {
        let mut all = Functions::default();
        let mut add = |name: String, kernels: &KernelSet| {
            let own = self.functions_behind(&name);
            all.has.insert_all(&own.has.intersection(kernels));
            all.attachable.insert_all(&own.attachable.intersection(kernels));
            all.trace_only.insert_all(&own.trace_only.intersection(kernels));
            all.unattachable.insert_all(&own.unattachable.intersection(kernels));
        };
        for arch in self.kernels.archs() {
            if let Some(prefix) = syscalls::wrapper_prefix(arch) {
                add(format!("{prefix}{syscall}"), &self.with_syscall_prefix(arch));
            }
        }
        add(format!("__se_sys_{syscall}"), &self.with_plain_syscalls());
        let requirement = Requirement::new("syscall", syscall, None);
        let answer = self.function(requirement, syscall, &all, &self.with_syscall_prefix("s390x"));
        self.kprobe_attachability(answer, &all)
    }

    /// Adds whether a kprobe can be attached. Kernels that do not count the symbols of a name take the first.
    fn kprobe_attachability(&self, answer: Answer, functions: &Functions) -> Answer {
        let counts =
            self.kernels.since(SYMBOLS_COUNTED_SINCE).union(&self.with_function("count_mod_symbols"));
        let certain = functions.trace_only.intersection(&counts);
        let uncertain = functions.trace_only.difference(&certain);
        common_attachability(answer, functions).doubt(Verdict::Fails, NOT_UNIQUE, certain).doubt(
            Verdict::Unknown,
            NOT_UNIQUE,
            uncertain,
        )
    }

    /// A function with a trampoline.
    fn traced_function(&self, module: Option<&str>, name: &str, def: &SectionDef) -> Answer {
        // libbpf's `find_kernel_btf_id` takes `vmlinux` as the kernel itself.
        let is_wanted = |own: Option<&str>| match module {
            None => true,
            Some("vmlinux") => own.is_none(),
            Some(_) => own == module,
        };
        let mut rows = self.facts.functions(name);
        rows.retain(|row| is_wanted(row.module));
        let functions = Functions::new(&rows);
        let requirement = Requirement::new("traced function", name, None);
        let answer = self.function(requirement, name, &functions, &KernelSet::new());
        let answer = attachability(answer, &functions);
        let with_words = |accept: &dyn Fn(Option<u8>) -> bool| -> KernelSet {
            rows.iter().filter(|row| accept(row.argument_words)).map(|row| &row.kernels).collect()
        };
        let older = self.kernels.all.difference(&self.kernels.since(STACK_ARGUMENTS_SINCE));
        let on_stack = with_words(&|words| words.is_some_and(|words| words > WORDS_IN_REGISTERS));
        let untraceable = with_words(&|words| words.is_none_or(|words| words > MAX_WORDS));
        let answer = answer
            .doubt(
                Verdict::Fails,
                "no kernel makes a trampoline for it: it is variadic, has over 12 arguments or one over 16 bytes",
                untraceable,
            )
            .doubt(
                Verdict::Unknown,
                format!("it has more than {WORDS_IN_REGISTERS} words of arguments; x86_64 takes them since {STACK_ARGUMENTS_SINCE}"),
                on_stack.intersection(&older),
            );
        let answer = self.trampoline(answer);
        let modifies = def.attach_type == Some("BPF_MODIFY_RETURN");
        if !modifies && !def.is_sleepable() || modifies && name.starts_with("security_") {
            return answer;
        }
        self.error_injection(answer, name)
    }

    /// Adds which hooks take no programs, or none that may sleep.
    fn lsm_hook(&self, answer: Answer, hook: &str, is_sleepable: bool) -> Answer {
        let disabled = if DISABLED_HOOKS.contains(&hook) { answer.has.clone() } else { KernelSet::new() };
        let since = self.kernels.since(HOOKS_DISABLED_SINCE);
        let older = format!(
            "programs on this hook are not allowed since {HOOKS_DISABLED_SINCE} and in newer stable kernels"
        );
        answer
            // Only a note: active LSMs are chosen at boot.
            .doubt_if(true, Verdict::Runs, "bpf must be among the active LSMs in /sys/kernel/security/lsm")
            .doubt_if(is_sleepable, Verdict::Unknown, "whether programs on this hook may sleep is not known")
            .doubt(Verdict::Fails, "programs on this hook are not allowed", disabled.intersection(&since))
            .doubt(Verdict::Unknown, older, disabled.difference(&since))
    }

    /// Adds that the kernel must allow errors to be injected into a function (`check_attach_modify_return`,
    /// `bpf_check_attach_target`), as it does for syscalls.
    fn error_injection(&self, answer: Answer, name: &str) -> Answer {
        let with_injection = self.with_function("within_error_injection_list");
        let without =
            self.facts.kernels_with_functions().difference(&with_injection).intersection(&answer.has);
        let without = without.difference(&self.kernels.since(SYSCALLS_MODIFIABLE_SINCE));
        let mut archs = self.kernels.archs().into_iter();
        let is_syscall = archs.any(|arch| syscalls::syscall_of(arch, name).is_some());
        let unknown = if is_syscall { KernelSet::new() } else { answer.has.difference(&without) };
        let why = "whether errors may be injected into it (ALLOW_ERROR_INJECTION) is not known";
        answer
            .doubt(Verdict::Fails, "the kernel is built without CONFIG_FUNCTION_ERROR_INJECTION", without)
            .doubt(Verdict::Unknown, why, unknown)
    }

    /// A function of the kernel's BTF that the kernel calls on purpose, so that it is always attachable.
    fn btf_function(&self, kind: &'static str, name: &str, function: &str) -> Answer {
        let functions = Functions::new(&self.facts.functions(function));
        let answer =
            self.function(Requirement::new(kind, name, None), function, &functions, &KernelSet::new());
        if kind == "LSM hook" { self.trampoline(answer) } else { answer }
    }

    /// Adds what is not known of trampolines on architectures where nothing was measured.
    pub(super) fn trampoline(&self, answer: Answer) -> Answer {
        let unmeasured = answer.has.difference(&self.measured());
        let since =
            [("arm64", Version::new(6, 4)), ("s390x", Version::new(6, 3)), ("riscv64", Version::new(6, 8))];
        let mut with = KernelSet::new();
        for (arch, since) in since {
            with.insert_all(&self.kernels.of_arch(arch).intersection(&self.kernels.since(since)));
        }
        answer
            .doubt(
                Verdict::Unknown,
                "whether this kernel has trampolines for its architecture is not known",
                unmeasured.difference(&with),
            )
            .doubt(
                Verdict::Likely,
                "trampolines were not measured on this architecture",
                unmeasured.intersection(&with),
            )
    }

    /// The kernels of architectures on which forecasts were compared with booted kernels.
    pub(super) fn measured(&self) -> KernelSet {
        self.kernels.of_arch("x86_64")
    }
}

/// Adds whether a trampoline or fprobe can be attached.
fn attachability(answer: Answer, functions: &Functions) -> Answer {
    common_attachability(answer, functions).doubt(Verdict::Likely, NOT_UNIQUE, functions.trace_only.clone())
}

/// Adds what kprobes and trampolines have in common.
fn common_attachability(answer: Answer, functions: &Functions) -> Answer {
    answer
        .doubt(Verdict::Fails, UNATTACHABLE, functions.unattachable.clone())
        .doubt(Verdict::Likely, MAYBE_ATTACHABLE, functions.unknown())
        .doubt(Verdict::Likely, IN_MODULE, functions.in_module.clone())
}
