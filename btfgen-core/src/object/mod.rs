//! Objects: a compiled eBPF ELF file with its local BTF, its programs and its CO-RE relocations.

mod btf_ext;
mod elf;
mod embedded;
mod error;
mod kind;
mod lines;
mod program;
mod reach;
mod references;
mod relocations;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;

use btfgen_runtime::ObjectDigest;

use crate::btf::{Btf, Endian};
use btf_ext::BtfExt;
use lines::Lines;
use references::ElfSection;

pub use error::ObjectError;
pub use kind::RelocationKind;
pub use lines::SourceLine;
pub use program::Program;
pub use reach::{ControlFlow, Insn, InsnIndex, Patch, Reachable};
pub use references::{Reference, Symbol};
pub use relocations::{Relocation, Section, SectionId};
pub use settings::SettingLoad;

/// A compiled eBPF object.
#[derive(Debug, Clone)]
pub struct Object {
    name: String,
    endian: Endian,
    digest: ObjectDigest,
    btf: Vec<u8>,
    programs: Vec<Program>,
    /// Instructions by section.
    code: BTreeMap<String, Vec<u8>>,
    sections: Vec<Section>,
    relocations: Vec<Relocation>,
    lines: Lines,
    elf_sections: Vec<ElfSection>,
    legacy_maps: BTreeMap<String, Vec<u8>>,
    symbols: Vec<Symbol>,
    /// By section; each list is ordered by instruction.
    references: BTreeMap<Arc<str>, Vec<Reference>>,
    /// By section; each list is ordered by instruction.
    setting_loads: BTreeMap<Arc<str>, Vec<SettingLoad>>,
}

impl Object {
    /// Parses an object; `name` is for messages.
    ///
    /// An object without `.BTF.ext` has no relocations, which is not an error.
    ///
    /// # Errors
    /// When it is not an eBPF object with a readable `.BTF`.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, ObjectError> {
        let elf = elf::Elf::parse(bytes)?;
        let raw = elf.btf.ok_or(ObjectError::NoBtf)?;
        let btf = Btf::parse(raw).map_err(ObjectError::Btf)?;
        if btf.endian() != elf.endian {
            return Err(ObjectError::ByteOrder { btf: btf.endian(), object: elf.endian });
        }
        let (mut sections, mut relocations, mut lines) = (Vec::new(), Vec::new(), Lines::default());
        if let Some(ext) = elf.btf_ext {
            let ext = BtfExt::parse(ext, elf.endian)?;
            (sections, relocations) = relocations::read(&ext.relocations, &btf)?;
            lines = Lines::new(&ext.line_info, &btf);
        }
        let setting_loads = settings::find(&elf, &btf, &relocations, &sections);
        Ok(Self {
            name: name.to_owned(),
            endian: elf.endian,
            digest: ObjectDigest::of(bytes).map_err(ObjectError::Digest)?,
            btf: raw.to_vec(),
            programs: elf.programs,
            code: elf.code,
            sections,
            relocations,
            lines,
            elf_sections: elf.sections,
            legacy_maps: elf.legacy_maps,
            symbols: elf.symbols,
            references: elf.references,
            setting_loads,
        })
    }

    /// Parses the objects of a file: an object, or a program with objects in a section `.bpf.objs`. Several get the name and a
    /// number: `tool#1`.
    ///
    /// # Errors
    /// When one of them is not an eBPF object with a readable `.BTF`, or the section has none.
    pub fn parse_file(name: &str, bytes: &[u8]) -> Result<Vec<Self>, ObjectError> {
        let objects = embedded::objects(bytes);
        match objects[..] {
            [] => Err(ObjectError::NoneEmbedded),
            [only] => Ok(vec![Self::parse(name, only)?]),
            _ => {
                let name = |index: usize| format!("{name}#{}", index + 1);
                objects.iter().enumerate().map(|(index, bytes)| Self::parse(&name(index), bytes)).collect()
            }
        }
    }

    /// The name for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The byte order.
    pub fn endian(&self) -> Endian {
        self.endian
    }

    /// Digest of the types and relocations. The runtime compares it with the digest of the object that is loaded.
    pub fn digest(&self) -> ObjectDigest {
        self.digest
    }

    /// The local BTF.
    pub fn btf(&self) -> &[u8] {
        &self.btf
    }

    /// Programs and subprograms, ordered by section and offset.
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }

    /// Relocations in the order of `.BTF.ext`.
    pub fn relocations(&self) -> &[Relocation] {
        &self.relocations
    }

    /// Sections with relocations, by [`SectionId`].
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The name of a relocation's section.
    pub fn section_of(&self, relocation: &Relocation) -> &str {
        &self.sections[relocation.section.index()].name
    }

    /// The control flow of a section. A subprogram in `.text` may be called from anywhere.
    pub fn control_flow(&self, section: &str) -> ControlFlow {
        let entries = program::entries(&self.programs, section);
        let addresses = self.references(section).iter().map(|reference| reference.insn);
        let settings = self.setting_loads(section).iter().map(|load| load.insn);
        ControlFlow::new(self.code(section), self.endian, entries, addresses, settings)
    }

    /// The loads of settings in a section, ordered by instruction.
    pub fn setting_loads(&self, section: &str) -> &[SettingLoad] {
        self.setting_loads.get(section).map_or(&[], Vec::as_slice)
    }

    /// Names of the sections with instructions.
    pub fn code_sections(&self) -> impl Iterator<Item = &str> {
        self.code.keys().map(String::as_str)
    }

    /// The instructions of a section, decoded. The second half of a 64-bit load is left out.
    pub fn insns(&self, section: &str) -> impl Iterator<Item = (InsnIndex, Insn)> {
        reach::insns(self.code(section), self.endian)
    }

    /// Names of all sections that are not empty, in the order of the file.
    pub fn section_names(&self) -> impl Iterator<Item = &str> {
        self.elf_sections.iter().filter(|section| section.size > 0).map(|section| &*section.name)
    }

    /// Sections with maps as `struct bpf_map_def`, `maps` and `maps/...`, and their contents.
    pub fn legacy_maps(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.legacy_maps.iter().map(|(section, bytes)| (section.as_str(), bytes.as_slice()))
    }

    /// All symbols.
    pub fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }

    /// The references of a section's instructions, ordered by instruction.
    pub fn references(&self, section: &str) -> &[Reference] {
        self.references.get(section).map_or(&[], Vec::as_slice)
    }

    /// The symbol of a reference.
    pub fn symbol_of(&self, reference: &Reference) -> &Symbol {
        &self.symbols[reference.symbol as usize]
    }

    /// The instructions of a section.
    pub fn code(&self, section: &str) -> &[u8] {
        self.code.get(section).map_or(&[], Vec::as_slice)
    }

    /// The program or subprogram that contains a relocation's instruction.
    fn program_of(&self, relocation: &Relocation) -> Option<&Program> {
        let (section, offset) = (self.section_of(relocation), u64::from(relocation.insn_offset));
        let next = self
            .programs
            .partition_point(|program| (program.section.as_str(), program.offset) <= (section, offset));
        let program = &self.programs[next.checked_sub(1)?];
        let contains = program.section == section && offset < program.offset.saturating_add(program.size);
        contains.then_some(program)
    }

    /// The name of the program that contains a relocation's instruction, or else of its section, for messages.
    pub fn program_or_section(&self, relocation: &Relocation) -> String {
        match self.program_of(relocation) {
            Some(program) => program.name.clone(),
            None => format!("section {}", self.section_of(relocation)),
        }
    }

    /// The C line that an instruction was compiled from, if line info has it.
    pub fn line_at(&self, section: &str, insn: InsnIndex) -> Option<SourceLine> {
        self.lines.line_in(section, insn.offset())
    }

    /// The C line that a relocation's instruction was compiled from, if line info has it.
    ///
    /// Line info is for messages only. As in libbpf, parsing checks its headers and bounds; a line with an unreadable
    /// file name or text is treated as missing.
    pub fn line_of(&self, relocation: &Relocation) -> Option<SourceLine> {
        let section = &self.sections[relocation.section.index()];
        self.lines.line(section.name_offset, relocation.insn_offset)
    }
}
