//! The requirements of objects as data: what `--json` prints, and the text is made from.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use anyhow::{Context, Result};
use btfgen_core::object::Object;
use btfgen_core::requirements::{
    Availability, Checks, ExternKind, Group, Helper, LARGE_PROGRAMS_SINCE, MapKind, Need, OLD_INSN_LIMIT,
    Program, Requirements, SectionDef, Site, Target, availability, since,
};
use btfgen_core::resolve::{Lookup, Roots, describe_spec};
use serde::Serialize;

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Inspection {
    /// Changes if fields change their meaning or go.
    pub(super) version: u32,
    pub(super) objects: Vec<ObjectData>,
}

#[derive(Serialize)]
pub(super) struct ObjectData {
    pub(super) name: String,
    pub(super) programs: Vec<ProgramData>,
    /// libbpf creates all of them.
    pub(super) maps: Vec<MapData>,
    /// libbpf resolves all of them.
    pub(super) externs: Vec<ExternData>,
}

/// A feature by the kernel's name for it.
#[derive(Serialize, Clone)]
pub(super) struct Feature {
    pub(super) name: String,
    /// First Linux version that has it; none if unknown.
    pub(super) since: Option<String>,
}

#[derive(Serialize)]
pub(super) struct ProgramData {
    pub(super) name: String,
    pub(super) section: String,
    /// Loaded only if the loader asks for it: `SEC("?...")`.
    pub(super) optional: bool,
    /// None if the section says nothing, so that the loader must set it.
    pub(super) program_type: Option<Feature>,
    pub(super) attach_type: Option<Feature>,
    /// The link type without which libbpf cannot attach it.
    pub(super) link_type: Option<Feature>,
    /// Flags that libbpf loads it with.
    pub(super) flags: Vec<Feature>,
    pub(super) target: Option<TargetData>,
    /// Whether libbpf attaches it by itself; else the loader does.
    pub(super) auto_attach: bool,
    /// Whether it needs the kernel's own BTF, even if a minimized BTF is embedded.
    pub(super) kernel_btf: bool,
    pub(super) insns: usize,
    /// First Linux version that accepts so many instructions, if older ones do not.
    pub(super) insns_since: Option<String>,
    pub(super) helpers: Vec<HelperData>,
    /// Names of the object's maps.
    pub(super) maps: Vec<Requirement>,
    /// Names of the object's externs.
    pub(super) externs: Vec<Requirement>,
    pub(super) instruction_sets: Vec<Requirement>,
    /// Specs of the CO-RE relocations, by kind.
    pub(super) relocations: Vec<RelocationData>,
}

#[derive(Serialize)]
pub(super) struct TargetData {
    pub(super) kind: &'static str,
    pub(super) name: String,
}

/// Something that instructions need.
#[derive(Serialize)]
pub(super) struct Requirement {
    #[serde(flatten)]
    pub(super) feature: Feature,
    /// Whether only instructions behind a CO-RE check or the test of a weak extern need it.
    pub(super) guarded: bool,
    pub(super) sites: Vec<SiteData>,
}

#[derive(Serialize)]
pub(super) struct HelperData {
    #[serde(flatten)]
    pub(super) requirement: Requirement,
    /// First Linux version that allows it to this program type, if later than the helper itself.
    pub(super) since_for_program_type: Option<String>,
    /// Upstream allows it to no program of this type.
    pub(super) never_allowed: bool,
    /// The helper that libbpf calls instead on kernels without it.
    pub(super) fallback: Option<&'static str>,
}

#[derive(Serialize)]
pub(super) struct RelocationData {
    pub(super) kind: String,
    /// Whether it asks if something exists, and so resolves on every kernel.
    pub(super) check: bool,
    #[serde(flatten)]
    pub(super) requirement: Requirement,
}

#[derive(Serialize)]
pub(super) struct SiteData {
    pub(super) section: String,
    /// Index of the instruction in its section.
    pub(super) insn: usize,
    /// Its C line, as `file:line`.
    pub(super) line: Option<String>,
}

#[derive(Serialize)]
pub(super) struct MapData {
    pub(super) name: String,
    pub(super) map_type: Feature,
    pub(super) flags: Vec<Feature>,
    pub(super) inner_map_type: Option<Feature>,
}

#[derive(Serialize)]
pub(super) struct ExternData {
    #[serde(flatten)]
    pub(super) feature: Feature,
    pub(super) kind: &'static str,
    /// May be missing.
    pub(super) weak: bool,
}

impl ProgramData {
    pub(super) fn is_struct_ops(&self) -> bool {
        self.program_type.as_ref().is_some_and(|it| it.name == "BPF_PROG_TYPE_STRUCT_OPS")
    }
}

/// Inspects one object.
pub(super) fn inspect(object: &Object) -> Result<ObjectData> {
    let requirements = Requirements::new(object)?;
    let roots = Roots::new(std::slice::from_ref(object))?;
    let checks = Checks::new(object);
    let inspector = Inspector { object, requirements: &requirements, roots: &roots, checks: &checks };
    Ok(ObjectData {
        name: object.name().to_owned(),
        programs: requirements
            .programs()
            .iter()
            .map(|program| inspector.program(program))
            .collect::<Result<_>>()?,
        maps: requirements
            .maps()
            .iter()
            .map(|map| MapData {
                name: map.name.clone(),
                map_type: map_type(map.kind),
                flags: map_flags(map.kind),
                inner_map_type: map.inner.map(map_type),
            })
            .collect(),
        externs: requirements
            .externs()
            .iter()
            .map(|it| ExternData {
                feature: match it.kind {
                    ExternKind::Kfunc => feature(Group::Kfunc, &it.name),
                    _ => Feature { name: it.name.clone(), since: None },
                },
                kind: match it.kind {
                    ExternKind::Kfunc => "kfunc",
                    ExternKind::TypedKsym => "typed ksym",
                    ExternKind::Ksym => "ksym",
                    ExternKind::Kconfig => "kconfig",
                },
                weak: it.weak,
            })
            .collect(),
    })
}

fn feature(group: Group, name: &str) -> Feature {
    Feature { name: name.to_owned(), since: since(group, name).map(|version| version.to_string()) }
}

fn map_type(kind: MapKind) -> Feature {
    match kind.type_name() {
        Some(name) => feature(Group::MapType, name),
        None => Feature { name: format!("map type {}", kind.map_type), since: None },
    }
}

fn map_flags(kind: MapKind) -> Vec<Feature> {
    let (names, unknown) = kind.flag_names();
    let mut flags: Vec<Feature> = names.into_iter().map(|name| feature(Group::Flag, name)).collect();
    if unknown != 0 {
        flags.push(Feature { name: format!("{unknown:#x}"), since: None });
    }
    flags
}

/// Inspects the programs of an object.
struct Inspector<'a> {
    object: &'a Object,
    requirements: &'a Requirements,
    roots: &'a Roots,
    checks: &'a Checks,
}

impl Inspector<'_> {
    fn program(&self, program: &Program) -> Result<ProgramData> {
        let all = self.requirements.needs(program, &|_, _| true);
        let failed =
            self.requirements.needs(program, &|section, insn| self.checks.can_run_if_failed(section, insn));
        let succeeded = self
            .requirements
            .needs(program, &|section, insn| self.checks.can_run_if_succeeded(section, insn));
        let program_type = program.def.map(|def| def.program_type);
        let insns = self.requirements.insn_count(program);
        let mut data = ProgramData {
            name: program.name.clone(),
            section: program.section.clone(),
            optional: program.optional,
            program_type: program_type.map(|name| feature(Group::ProgramType, name)),
            attach_type: program
                .def
                .and_then(|def| def.attach_type)
                .map(|name| feature(Group::AttachType, name)),
            link_type: program
                .def
                .and_then(|def| def.attach?.link_type())
                .map(|name| feature(Group::LinkType, name)),
            flags: program.def.map_or(Vec::new(), load_flags),
            target: program.target.as_ref().map(target),
            auto_attach: program.auto_attaches(),
            kernel_btf: program.type_needs_kernel_btf(),
            insns,
            insns_since: (insns > OLD_INSN_LIMIT).then(|| LARGE_PROGRAMS_SINCE.to_string()),
            helpers: Vec::new(),
            maps: Vec::new(),
            externs: Vec::new(),
            instruction_sets: Vec::new(),
            relocations: Vec::new(),
        };
        let mut relocations: BTreeMap<(String, String), Requirement> = BTreeMap::new();
        for (need, sites) in all {
            let requirement = |feature| Requirement {
                feature,
                guarded: !(failed.contains_key(&need) && succeeded.contains_key(&need)),
                sites: sites.iter().map(|site| self.site(site)).collect(),
            };
            let unnamed = |name: &str| Feature { name: name.to_owned(), since: None };
            match need {
                Need::Helper(helper) => data.helpers.push(self::helper(helper, program_type, requirement)),
                Need::Map(map) => data.maps.push(requirement(unnamed(&self.requirements.maps()[map.0].name))),
                Need::Extern(id) => {
                    let it = &self.requirements.externs()[id.0];
                    data.kernel_btf |=
                        matches!(it.kind, ExternKind::Kfunc | ExternKind::TypedKsym) && !it.weak;
                    data.externs.push(requirement(unnamed(&it.name)));
                }
                Need::InstructionSet(set) => {
                    let since = Some(set.since().to_string());
                    data.instruction_sets.push(requirement(Feature { name: set.name().to_owned(), since }));
                }
                Need::Relocation(index) => {
                    let Some((kind, spec)) = self.relocation(index)? else { continue };
                    let new = requirement(unnamed(&spec));
                    match relocations.entry((spec, kind)) {
                        Entry::Vacant(entry) => _ = entry.insert(new),
                        Entry::Occupied(mut entry) => {
                            entry.get_mut().guarded &= new.guarded;
                            entry.get_mut().sites.extend(new.sites);
                        }
                    }
                }
            }
        }
        let relocation = |((_, kind), requirement): ((String, String), Requirement)| {
            let check = kind.ends_with("_exists") || kind == "type_matches";
            RelocationData { kind, check, requirement }
        };
        data.relocations = relocations.into_iter().map(relocation).collect();
        Ok(data)
    }

    /// A relocation's kind and spec; none if it reads nothing of the kernel.
    fn relocation(&self, index: usize) -> Result<Option<(String, String)>> {
        let relocation = &self.object.relocations()[index];
        let lookups = self.roots.lookups().first().context("no lookups")?;
        let (root, query) = match &lookups[index] {
            Lookup::Local => return Ok(None),
            Lookup::Failure(failure) => return Ok(Some(("invalid".to_owned(), failure.to_string()))),
            Lookup::Target { root, query, .. } => (root, query),
        };
        let spec = &self.roots.root(*root).queries[query.index()].spec;
        let text = describe_spec(self.roots.types(), spec);
        let text = text.split_once(" (").map_or(text.as_str(), |(spec, _)| spec);
        let kind = relocation.kind.map_or_else(|number| number.to_string(), |kind| kind.to_string());
        Ok(Some((kind, text.to_owned())))
    }

    fn site(&self, site: &Site) -> SiteData {
        SiteData {
            section: site.section.to_string(),
            insn: site.insn.index(),
            line: self.object.line_at(&site.section, site.insn).map(|line| line.to_string()),
        }
    }
}

fn helper(
    helper: Helper,
    program_type: Option<&str>,
    requirement: impl Fn(Feature) -> Requirement,
) -> HelperData {
    let Some(name) = helper.name() else {
        let name = format!("helper {}", helper.0);
        let requirement = requirement(Feature { name, since: None });
        return HelperData {
            requirement,
            since_for_program_type: None,
            never_allowed: false,
            fallback: None,
        };
    };
    let available = program_type.map_or(Availability::Unknown, |it| availability(it, name));
    HelperData {
        requirement: requirement(feature(Group::Helper, name)),
        since_for_program_type: match available {
            Availability::Since(version) => Some(version.to_string()),
            _ => None,
        },
        never_allowed: available == Availability::Never,
        fallback: helper.fallback().and_then(Helper::name),
    }
}

fn load_flags(def: &SectionDef) -> Vec<Feature> {
    let flags = [(def.is_sleepable(), "BPF_F_SLEEPABLE"), (def.has_xdp_frags(), "BPF_F_XDP_HAS_FRAGS")];
    flags.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| feature(Group::Flag, name)).collect()
}

fn target(target: &Target) -> TargetData {
    let (kind, name) = match target {
        Target::Function { name, offset: 0 } => ("function", name.clone()),
        Target::Function { name, offset } => ("function", format!("{name}+{offset:#x}")),
        Target::Functions { pattern } => ("functions", pattern.clone()),
        Target::Syscall { name } => ("syscall", name.clone()),
        Target::Tracepoint { category, event } => ("tracepoint", format!("{category}/{event}")),
        Target::RawTracepoint { event } => ("raw tracepoint", event.clone()),
        Target::TracedFunction { module: None, name } => ("function", name.clone()),
        Target::TracedFunction { module: Some(module), name } => ("function", format!("{module}:{name}")),
        Target::LsmHook { hook } => ("LSM hook", hook.clone()),
        Target::Iterator { name } => ("iterator", name.clone()),
        Target::Program { name } => ("program function", name.clone()),
        Target::User { text } => ("user-space function", text.clone()),
        Target::Invalid { text } => ("invalid", text.clone()),
    };
    TargetData { kind, name }
}
