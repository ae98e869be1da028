//! Features: which kernels have a helper, a type of program, map, attachment or link, an instruction, or BTF of their own.

use super::answer::Answer;
use super::data::{Requirement, UNKNOWN_BTF, Verdict};
use super::kernels::Kernels;
use crate::facts::Facts;
use crate::hub::ShipsBtf;
use crate::hub::file::KernelSet;
use crate::requirements::{
    Availability, Group, Helper, InstructionSet, LARGE_PROGRAMS_SINCE, Map, MapKind, OLD_INSN_LIMIT, Program,
    SectionDef, StructOps, Version, availability, since,
};
use crate::resolve::RootKind;

/// Program types whose helpers depend on more than the type: the program that is replaced, the operation that is implemented.
const HELPERS_DEPEND_ON_TARGET: [&str; 2] = ["BPF_PROG_TYPE_EXT", "BPF_PROG_TYPE_STRUCT_OPS"];

/// Program types whose expected attach type the kernel checks on loading (`bpf_prog_load_check_attach`,
/// `check_attach_btf_id`). For other types it matters only at attach time.
const CHECKS_ATTACH_TYPE: [&str; 8] = [
    "BPF_PROG_TYPE_CGROUP_SOCK",
    "BPF_PROG_TYPE_CGROUP_SOCK_ADDR",
    "BPF_PROG_TYPE_CGROUP_SKB",
    "BPF_PROG_TYPE_CGROUP_SOCKOPT",
    "BPF_PROG_TYPE_SK_LOOKUP",
    "BPF_PROG_TYPE_NETFILTER",
    "BPF_PROG_TYPE_TRACING",
    "BPF_PROG_TYPE_LSM",
];

/// Helpers that only programs that may sleep can call.
const MAY_SLEEP: [&str; 4] =
    ["bpf_copy_from_user", "bpf_copy_from_user_task", "bpf_ima_inode_hash", "bpf_ima_file_hash"];

/// Since this version arm64's compiler knows atomic operations other than additions.
const ARM64_ATOMICS_SINCE: Version = Version::new(5, 18);

/// Since this version the kernel takes an expected attach type (libbpf's `FEAT_EXP_ATTACH_TYPE`).
const ATTACH_TYPES_SINCE: Version = Version::new(4, 17);

/// Finds out which kernels of a hub meet a requirement.
pub(super) struct Judge<'h> {
    pub(super) facts: Facts<'h>,
    pub(super) kernels: Kernels,
}

impl Judge<'_> {
    /// A feature that a kernel has if its enum lists the requirement's name.
    fn enumerator(&self, requirement: Requirement, enumeration: &str) -> Answer {
        let has = self.facts.kernels_with_enumerator(enumeration, &requirement.name);
        self.in_enum(requirement, enumeration, has)
    }

    /// Something that an enum lists in the kernels that have it.
    fn in_enum(&self, requirement: Requirement, enumeration: &str, has: KernelSet) -> Answer {
        let with_enum = self.facts.kernels_with(RootKind::Enum, enumeration);
        let missing = with_enum.difference(&has);
        let without_enum = self.kernels.all.difference(&with_enum);
        Answer::new(requirement, has).doubt(Verdict::Fails, "the kernel does not have it", missing).doubt(
            Verdict::Unknown,
            format!("the kernel's BTF has no enum {enumeration} to tell"),
            without_enum,
        )
    }

    /// Something that all kernels have from an upstream version on. Vendors backport, so older ones may have it.
    fn dated(&self, requirement: Requirement, since: Version) -> Answer {
        let has = self.kernels.since(since);
        let older = self.kernels.all.difference(&has);
        let why = "the kernel is older, and its BTF does not tell whether the vendor backported it";
        Answer::new(requirement, has).doubt(Verdict::Unknown, why, older)
    }

    /// Something that came with a change that BTF shows: kernels that are older than `since` and do not show it lack it.
    fn shown_by(&self, requirement: Requirement, since: Version, shown: KernelSet, why: &str) -> Answer {
        let has = shown.union(&self.kernels.since(since));
        let lacks = self.kernels.all.difference(&has);
        Answer::new(requirement, has).doubt(Verdict::Fails, why, lacks)
    }

    /// A helper that programs of a type call.
    pub(super) fn helper(&self, helper: Helper, program: &Program) -> Answer {
        let Some(name) = helper.name() else {
            let requirement = Requirement::new("helper", format!("number {}", helper.0), None);
            let has = self.facts.kernels_with_value("bpf_func_id", helper.0.into());
            return self.in_enum(requirement, "bpf_func_id", has);
        };
        let since = since(Group::Helper, name);
        let id = |helper: Helper| self.facts.kernels_with_value("bpf_func_id", helper.0.into());
        let mut has = id(helper);
        if let Some(fallback) = helper.fallback() {
            has.insert_all(&id(fallback));
        }
        let answer = self.in_enum(Requirement::new("helper", name, since), "bpf_func_id", has);
        let mut answer = self.compiled_in(answer, name);
        let Some(def) = program.def else { return answer };
        let all = || self.kernels.all.clone();
        if MAY_SLEEP.contains(&name) && !def.is_sleepable() {
            answer = answer.doubt(Verdict::Fails, "only sleepable programs may call it", all());
        }
        if HELPERS_DEPEND_ON_TARGET.contains(&def.program_type) {
            return answer;
        }
        match availability(def.program_type, name) {
            Availability::Always => answer,
            Availability::Never => {
                let why = format!("upstream allows it to no program of type {}", def.program_type);
                answer.doubt(Verdict::Fails, why, all())
            }
            Availability::Since(version) => self.allowed_since(answer, def, version),
            Availability::OnlyFor { attach_types, since } => {
                let is_allowed =
                    def.attach_type.is_some_and(|own| attach_types.split(',').any(|it| it == own));
                let answer = match since {
                    Some(version) => self.allowed_since(answer, def, version),
                    None => answer,
                };
                if is_allowed {
                    return answer;
                }
                let why = format!("upstream allows it to programs of attach type {attach_types} only");
                answer.doubt(Verdict::Fails, why, all())
            }
            Availability::Unknown => {
                let why = format!("whether programs of type {} may call it is not known", def.program_type);
                answer.doubt(Verdict::Unknown, why, all())
            }
        }
    }

    /// Adds that upstream allows a helper to programs of a type since a version.
    fn allowed_since(&self, answer: Answer, def: &SectionDef, since: Version) -> Answer {
        let older = self.kernels.all.difference(&self.kernels.since(since));
        let program_type = def.program_type;
        let why = format!(
            "upstream allows it to programs of type {program_type} since {since}, and this kernel is older"
        );
        answer.doubt(Verdict::Unknown, why, older)
    }

    /// Helpers that a kernel is built without, although the enum lists them.
    fn compiled_in(&self, answer: Answer, name: &str) -> Answer {
        if name.starts_with("bpf_timer_") {
            // In realtime kernels a spinlock is a mutex.
            let realtime = self.with_member("spinlock", "lock").intersection(&answer.has);
            return answer.doubt(
                Verdict::Unknown,
                "realtime kernels did not allow timers at first",
                realtime,
            );
        }
        if name != "bpf_override_return" {
            return answer;
        }
        let known = self.facts.kernels_with_functions();
        let without = known.difference(&self.with_function(name)).intersection(&answer.has);
        answer.doubt(Verdict::Fails, "the kernel is built without CONFIG_BPF_KPROBE_OVERRIDE", without)
    }

    /// The kernels that have a function of that name themselves, not in a module.
    pub(super) fn with_function(&self, name: &str) -> KernelSet {
        let rows = self.facts.functions(name);
        rows.iter().filter(|row| row.module.is_none()).map(|row| &row.kernels).collect()
    }

    /// A program's type, attach type, flags and number of instructions.
    pub(super) fn program(&self, program: &Program, insn_count: usize) -> Vec<Answer> {
        let mut answers = Vec::new();
        let Some(def) = program.def else {
            let requirement = Requirement::new("program type", "", None);
            let why = format!("libbpf knows no section {:?}, so the loader sets it", program.section);
            return vec![Answer::unknown(requirement, why, &self.kernels.all)];
        };
        let group = Group::ProgramType;
        let program_type = Requirement::new("program type", def.program_type, since(group, def.program_type));
        answers.push(self.program_type(program_type));
        if let Some(name) = def.attach_type
            && !def.attach_type_is_optional()
            && (CHECKS_ATTACH_TYPE.contains(&def.program_type)
                || program.auto_attaches() && !def.attaches_to_user_space())
        {
            let requirement = Requirement::new("attach type", name, since(Group::AttachType, name));
            answers.push(self.enumerator(requirement, "bpf_attach_type"));
        }
        if let (Some(name), false) = (def.attach_type, def.attach_type_is_optional()) {
            let requirement = Requirement::new("expected attach type", name, Some(ATTACH_TYPES_SINCE));
            answers.push(self.dated(requirement, ATTACH_TYPES_SINCE));
        }
        if def.is_sleepable() {
            let since = sleepable_since(def);
            let requirement = Requirement::new("sleepable program", def.program_type, Some(since));
            answers.push(self.dated(requirement, since));
        }
        if def.has_xdp_frags() {
            let since = Version::new(5, 18);
            let requirement = Requirement::new("flag", "BPF_F_XDP_HAS_FRAGS", Some(since));
            let has = self.with_member("bpf_prog_aux", "xdp_has_frags");
            let why = "the kernel's struct bpf_prog_aux has no xdp_has_frags";
            answers.push(self.shown_by(requirement, since, has, why));
        }
        if program.type_needs_kernel_btf() {
            answers.push(self.own_btf(&format!("a program of type {}", def.program_type)));
        }
        if insn_count > OLD_INSN_LIMIT {
            let name = format!("{insn_count} instructions, more than {OLD_INSN_LIMIT}");
            let requirement = Requirement::new("program of", name, Some(LARGE_PROGRAMS_SINCE));
            answers.push(self.dated(requirement, LARGE_PROGRAMS_SINCE));
        }
        answers
    }

    /// A program type. The struct by which the kernel finds the context of each type lists those that it is built with.
    fn program_type(&self, requirement: Requirement) -> Answer {
        let listed = self.facts.kernels_with(RootKind::Struct, "bpf_ctx_convert");
        let built_in = self.with_member("bpf_ctx_convert", &format!("{}_prog", requirement.name));
        let answer = self.enumerator(requirement, "bpf_prog_type");
        let built_without = answer.has.intersection(&listed).difference(&built_in);
        answer.doubt(Verdict::Fails, "the kernel is built without it", built_without)
    }

    /// BTF of the kernel's own, which the kernel itself and libbpf use for `what`.
    pub(super) fn own_btf(&self, what: &str) -> Answer {
        let requirement =
            Requirement::new("the kernel's own BTF", format!("for {what}"), Some(Version::new(5, 4)));
        let [yes, no, unknown] =
            [ShipsBtf::Yes, ShipsBtf::No, ShipsBtf::Unknown].map(|it| self.kernels.shipping_btf(it));
        Answer::new(requirement, yes).doubt(Verdict::Fails, "there is none", no).doubt(
            Verdict::Unknown,
            UNKNOWN_BTF,
            unknown,
        )
    }

    /// A map's type and flags.
    pub(super) fn map(&self, map: &Map) -> Vec<Answer> {
        let mut answers = Vec::new();
        for kind in std::iter::once(&map.kind).chain(&map.inner) {
            answers.push(self.map_type(*kind));
            let (flags, _) = kind.flag_names();
            for flag in flags {
                let since = map_flag_since(flag);
                // libbpf sets or leaves out the flags of global data by itself.
                if let (Some(since), false) = (since, map.is_global_data()) {
                    let requirement = Requirement::new("map flag", flag, Some(since));
                    answers.push(self.dated(requirement, since));
                }
            }
        }
        if let Some(StructOps { name, members }) = &map.struct_ops {
            answers.push(self.struct_ops(name, members));
        }
        answers
    }

    /// A struct of operations, and its members, which libbpf looks up by name (`bpf_map__init_kern_struct_ops`).
    fn struct_ops(&self, name: &str, members: &[String]) -> Answer {
        let wrapper = format!("bpf_struct_ops_{name}");
        let has = self.facts.kernels_with(RootKind::Struct, &wrapper);
        let lacks = self.kernels.all.difference(&has);
        let answer = Answer::new(Requirement::new("struct_ops", name, None), has.clone());
        let answer = self.missing(answer, lacks, &format!("the kernel has no struct {wrapper}"), None);
        let mut answer = self.trampoline(answer);
        for member in members {
            let without = has.difference(&self.with_member(name, member));
            let why = format!("the kernel's struct {name} has no member {member}, which must then be unset");
            answer = answer.doubt(Verdict::Unknown, why, without);
        }
        answer
    }

    fn map_type(&self, kind: MapKind) -> Answer {
        let has = self.facts.kernels_with_value("bpf_map_type", kind.map_type.into());
        let requirement = match kind.type_name() {
            Some(name) => Requirement::new("map type", name, since(Group::MapType, name)),
            None => Requirement::new("map type", format!("number {}", kind.map_type), None),
        };
        self.in_enum(requirement, "bpf_map_type", has)
    }

    /// Adds the doubts about kernels that lack a name: a module may bring it. `module` is one that has it in another kernel.
    pub(super) fn missing(
        &self,
        answer: Answer,
        lacks: KernelSet,
        why: &str,
        module: Option<&str>,
    ) -> Answer {
        let Some(module) = module else {
            return answer.doubt(Verdict::Fails, format!("{why} (unless a module brings it)"), lacks);
        };
        let with_module = self.facts.kernels_with_module(module);
        let unknown =
            format!("{why}; other kernels have it in module {module}, and this kernel's is not in the hub");
        answer.doubt(Verdict::Fails, why, lacks.intersection(&with_module)).doubt(
            Verdict::Unknown,
            unknown,
            lacks.difference(&with_module),
        )
    }

    /// An extension of the instruction set, by what was added to the kernel with it.
    pub(super) fn instruction_set(&self, set: InstructionSet) -> Answer {
        let answer = self.in_verifier(set);
        if set <= InstructionSet::GlobalData {
            return answer;
        }
        // An architecture's compiler may have followed later than the verifier.
        let unmeasured = answer.has.difference(&self.measured());
        let arm64 = self.kernels.of_arch("arm64");
        let early = match set {
            InstructionSet::Atomics => arm64.difference(&self.kernels.since(ARM64_ATOMICS_SINCE)),
            _ => KernelSet::new(),
        };
        answer
            .doubt(
                Verdict::Unknown,
                "this architecture's compiler may lack it",
                unmeasured.intersection(&early),
            )
            .doubt(Verdict::Likely, "it was not measured on this architecture", unmeasured.difference(&early))
    }

    /// An extension of the instruction set, as far as the verifier is concerned.
    fn in_verifier(&self, set: InstructionSet) -> Answer {
        let since = set.since();
        let requirement = Requirement::new("instruction set", set.name(), Some(since));
        let certain = |shown, why| self.shown_by(requirement.clone(), since, shown, why);
        match set {
            InstructionSet::SubprogramCall => certain(
                self.facts.kernels_with(RootKind::Struct, "bpf_func_state"),
                "the kernel has no struct bpf_func_state",
            ),
            InstructionSet::GlobalData => certain(
                self.with_member("bpf_map_ops", "map_direct_value_addr"),
                "the kernel's struct bpf_map_ops has no map_direct_value_addr",
            ),
            InstructionSet::KfuncCall => certain(
                self.facts.kernels_with(RootKind::Struct, "bpf_kfunc_desc_tab"),
                "the kernel has no struct bpf_kfunc_desc_tab",
            ),
            InstructionSet::FunctionPointer => certain(
                self.facts.kernels_with_enumerator("bpf_func_id", "BPF_FUNC_for_each_map_elem"),
                "the kernel has no helper that takes a callback",
            ),
            InstructionSet::Atomics => {
                // The verifier's function was renamed from check_xadd when it learned other atomic operations.
                let lacks = self.with_function("check_xadd");
                let has = self.kernels.since(since).union(&self.with_function("check_atomic"));
                let older = self.kernels.all.difference(&has).difference(&lacks);
                let why = "the kernel is older, and its BTF does not tell whether the vendor backported it";
                Answer::new(requirement.clone(), has)
                    .doubt(Verdict::Fails, "the kernel's verifier knows additions only (check_xadd)", lacks)
                    .doubt(Verdict::Unknown, why, older)
            }
            _ => self.dated(requirement.clone(), since),
        }
    }

    /// The link type without which libbpf cannot attach a program.
    pub(super) fn link_type(&self, name: &'static str) -> Answer {
        let requirement = Requirement::new("link type", name, since(Group::LinkType, name));
        self.enumerator(requirement, "bpf_link_type")
    }

    /// The kernels in which a struct has a member.
    fn with_member(&self, name: &str, member: &str) -> KernelSet {
        let types = self.facts.types();
        let mut kernels = KernelSet::new();
        for variant in self.facts.variants(RootKind::Struct, name) {
            let mut members = types.members(variant.ty).iter();
            if members.any(|own| types.names().get(own.name) == member.as_bytes()) {
                kernels.insert_all(&variant.kernels);
            }
        }
        kernels
    }
}

/// The first upstream version with sleepable programs of a section (the verifier's `can_be_sleepable`).
fn sleepable_since(def: &SectionDef) -> Version {
    match (def.program_type, def.attach_type) {
        ("BPF_PROG_TYPE_TRACING", Some("BPF_TRACE_ITER")) => Version::new(5, 18),
        ("BPF_PROG_TYPE_TRACING", Some("BPF_TRACE_FENTRY" | "BPF_TRACE_FEXIT" | "BPF_MODIFY_RETURN"))
        | ("BPF_PROG_TYPE_LSM", _) => Version::new(5, 10),
        ("BPF_PROG_TYPE_SYSCALL", _) => Version::new(5, 14),
        ("BPF_PROG_TYPE_KPROBE", _) => Version::new(6, 0),
        ("BPF_PROG_TYPE_STRUCT_OPS", _) => Version::new(6, 3),
        _ => Version::new(7, 0),
    }
}

/// The first upstream version with a flag of `BPF_MAP_CREATE`.
fn map_flag_since(flag: &str) -> Option<Version> {
    match flag {
        "BPF_F_LINK" => Some(Version::new(6, 4)),
        _ => since(Group::Flag, flag),
    }
}
