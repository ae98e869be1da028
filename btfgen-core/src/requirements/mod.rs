//! Requirements: what each program of an object needs of a kernel.
//!
//! A pure model of an object, without any kernel. Every requirement has the instructions that need it, so that what a check
//! rules out on a kernel does not count there.

mod checks;
mod code;
mod error;
mod externs;
mod helpers;
mod instruction_set;
mod maps;
mod names;
mod sections;
mod target;
#[cfg(test)]
mod tests;
mod upstream;

use std::collections::{BTreeMap, BTreeSet};

use crate::btf::Btf;
use crate::object::{InsnIndex, Object};
use code::{Code, FunctionId};

pub use checks::Checks;
pub use code::{Called, ExternId, MapId, Need, Site};
pub use error::RequirementsError;
pub use externs::{Extern, ExternKind};
pub use helpers::Helper;
pub use instruction_set::InstructionSet;
pub use maps::{Map, MapKind, StructOps};
pub(crate) use names::essential_name;
pub use sections::{Attach, SECTION_DEFS, SectionDef};
pub use target::Target;
pub use upstream::{Availability, Group, Version, availability, since};

/// Limit on a program's instructions before Linux 5.2 (`BPF_MAXINSNS`); since then privileged programs may have a million.
pub const OLD_INSN_LIMIT: usize = 4096;

/// Since when a privileged program may have more than [`OLD_INSN_LIMIT`] instructions.
pub const LARGE_PROGRAMS_SINCE: Version = Version::new(5, 2);

/// A program that libbpf loads, without subprograms.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its function's name.
    pub name: String,
    /// Its section, without question mark.
    pub section: String,
    /// Whether libbpf loads it only if told to: its section begins with a question mark.
    pub optional: bool,
    /// The section's definition; none if the loader must set the type.
    pub def: Option<&'static SectionDef>,
    /// What it attaches to; none if the loader must say, or if it attaches to nothing by name.
    pub target: Option<Target>,
    function: FunctionId,
}

impl Program {
    /// A program of a section, for tests.
    #[cfg(test)]
    pub(crate) fn new(name: &str, section: &str) -> Self {
        let def = SectionDef::find(section);
        Self {
            name: name.to_owned(),
            section: section.to_owned(),
            optional: false,
            def,
            target: def.and_then(|def| Target::parse(def, section)),
            function: crate::memo::Id::new(0),
        }
    }

    /// Whether libbpf attaches it by itself: the section's definition has a function for it, and its name a target.
    pub fn auto_attaches(&self) -> bool {
        self.target.is_some() && self.def.is_some_and(|def| def.attach.is_some())
    }

    /// Whether libbpf loads the kernel's BTF for the program's type (`prog_needs_vmlinux_btf`).
    pub fn type_needs_kernel_btf(&self) -> bool {
        self.def.is_some_and(|def| {
            matches!(
                def.program_type,
                "BPF_PROG_TYPE_TRACING" | "BPF_PROG_TYPE_LSM" | "BPF_PROG_TYPE_STRUCT_OPS"
            )
        })
    }
}

/// The requirements of an object.
pub struct Requirements {
    programs: Vec<Program>,
    maps: Vec<Map>,
    externs: Vec<Extern>,
    code: Code,
}

impl Requirements {
    /// Finds the requirements of an object.
    ///
    /// # Errors
    /// When its BTF or the definition of a map is malformed.
    pub fn new(object: &Object) -> Result<Self, RequirementsError> {
        Self::with_targets(object, &BTreeMap::new())
    }

    /// As [`Self::new`], with the targets that the loader sets: by program, as after the slash of a section's name.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_targets(
        object: &Object,
        targets: &BTreeMap<String, String>,
    ) -> Result<Self, RequirementsError> {
        let btf = Btf::parse(object.btf())?;
        let maps = maps::find(object, &btf)?;
        let externs = externs::find(object, &btf)?;
        let code = Code::new(object, &maps, &externs);
        let mut programs = Vec::new();
        // libbpf's `prog_is_subprog`: what is in `.text` is no program.
        for program in object.programs().iter().filter(|program| program.section != ".text") {
            let Some(function) = code.at(&program.section, program.offset) else { continue };
            let optional = program.section.starts_with('?');
            let section = program.section.strip_prefix('?').unwrap_or(&program.section).to_owned();
            let def = SectionDef::find(&section);
            let set_by_loader = targets.get(&program.name).map(|target| {
                let kind = section.split_once('/').map_or(&*section, |(kind, _)| kind);
                format!("{kind}/{target}")
            });
            let target = set_by_loader.as_deref().unwrap_or(&section);
            programs.push(Program {
                name: program.name.clone(),
                optional,
                def,
                target: def.and_then(|def| Target::parse(def, target)),
                section,
                function,
            });
        }
        Ok(Self { programs, maps, externs, code })
    }

    /// The programs, ordered by section and offset.
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }

    /// The maps, by [`MapId`]. libbpf creates all of them, whichever programs use them.
    pub fn maps(&self) -> &[Map] {
        &self.maps
    }

    /// The externs, by [`ExternId`]. libbpf resolves all of them, whichever programs use them.
    pub fn externs(&self) -> &[Extern] {
        &self.externs
    }

    /// The number of instructions of a program with its subprograms, as libbpf loads it.
    pub fn insn_count(&self, program: &Program) -> usize {
        self.code.insn_count(program.function)
    }

    /// A program's function and those that its instructions that can run call, directly or not.
    pub fn called(&self, program: &Program, can_run: &dyn Fn(&str, InsnIndex) -> bool) -> Called {
        self.code.called(program.function, can_run)
    }

    /// The program whose own function contains an instruction; none in a subprogram.
    pub fn program_at(&self, section: &str, insn: InsnIndex) -> Option<&Program> {
        let function = self.code.containing(section, insn)?;
        self.programs.iter().find(|program| program.function == function)
    }

    /// The sections of functions.
    pub fn sections_of(&self, called: &Called) -> BTreeSet<&str> {
        self.code.sections_of(called)
    }

    /// Whether one of some functions contains an instruction.
    pub fn contains(&self, called: &Called, section: &str, insn: InsnIndex) -> bool {
        self.code.containing(section, insn).is_some_and(|function| called.contains(function))
    }

    /// What functions need apart from relocations, each with the instructions that need it and can run.
    pub fn needs_of(
        &self,
        called: &Called,
        can_run: &dyn Fn(&str, InsnIndex) -> bool,
    ) -> BTreeMap<Need, Vec<Site>> {
        self.code.needs_of(called, can_run)
    }

    /// What a program and its subprograms need, each with the instructions that need it. Only instructions that can run
    /// count, and only subprograms that such an instruction calls.
    pub fn needs(
        &self,
        program: &Program,
        can_run: &dyn Fn(&str, InsnIndex) -> bool,
    ) -> BTreeMap<Need, Vec<Site>> {
        let called = self.code.called(program.function, can_run);
        let mut needs = self.code.needs_of(&called, can_run);
        for (need, site) in self.code.relocations_of(&called, can_run) {
            needs.entry(need).or_default().push(site);
        }
        needs
    }
}
