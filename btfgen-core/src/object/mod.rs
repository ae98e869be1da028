//! Object: a compiled eBPF ELF file, its local types, its programs and its CO-RE relocations.

mod btf_ext;
mod elf;
mod lines;
mod program;
mod reach;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use btfgen_runtime::ObjectDigest;

use crate::btf::{Btf, BtfError, Endian};
use crate::resolve::RelocationKind;
use lines::Lines;

pub use lines::SourceLine;
pub use program::{KernelBtfNeed, Program};
pub use reach::{Flow, Patch};

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
    relocations: Relocations,
    needs: Vec<KernelBtfNeed>,
}

/// What a relocation asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asks {
    /// The local root type's id.
    pub root: u32,
    /// The access string, such as `0:1:2`.
    pub access: Arc<str>,
    /// The kind, or its number if it is unknown.
    pub kind: Result<RelocationKind, u32>,
}

/// One CO-RE relocation (`struct bpf_core_relo`): what it asks, and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Relocation<'o> {
    /// The section whose instruction is relocated.
    pub section: &'o Arc<str>,
    /// The relocation's number in its section, from 0, as libbpf's messages count.
    pub number: usize,
    /// The instruction's offset in the section, in bytes.
    pub insn_offset: u32,
    /// What it asks, by its place among [`Object::asks`].
    pub asks: usize,
    /// Where the section's name stands among the strings.
    name_offset: u32,
}

/// The relocations of an object: few numbers for each, and what large objects repeat stands once.
#[derive(Debug, Clone, Default)]
struct Relocations {
    asks: Vec<Asks>,
    /// For each relocation what it asks, by its place among `asks`.
    asked: Vec<u32>,
    /// For each where it stands.
    stands: Vec<Stand>,
    sections: Vec<Section>,
    lines: Lines,
}

/// Where a relocation stands.
#[derive(Debug, Clone, Copy)]
struct Stand {
    /// Its place among [`Relocations::sections`].
    section: u32,
    insn_offset: u32,
}

/// A section's relocations.
#[derive(Debug, Clone)]
struct Section {
    name: Arc<str>,
    /// Where the name stands among the strings.
    name_offset: u32,
    /// Number of relocations before these.
    first: usize,
}

/// Why a file is not a usable eBPF object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// Not an ELF file, or a damaged one.
    #[error("not a readable ELF file: {0}")]
    Elf(String),
    /// An ELF file for another machine.
    #[error("an ELF file for machine {0}, not a relocatable eBPF object (machine 247)")]
    Machine(u16),
    /// An ELF file that is not relocatable.
    #[error("an ELF file of type {0}, not a relocatable object (type 1)")]
    NotRelocatable(u16),
    /// No `.BTF` section.
    #[error("no .BTF section: compile with clang -target bpf -g")]
    NoBtf,
    /// A malformed `.BTF` section.
    #[error("in section .BTF")]
    Btf(#[source] BtfError),
    /// A `.BTF` in another byte order than the object's.
    #[error("section .BTF is {btf}, the object is {object}")]
    ByteOrder {
        /// The section's byte order.
        btf: Endian,
        /// The object's.
        object: Endian,
    },
    /// A malformed `.BTF.ext` section.
    #[error("in section .BTF.ext: {0}")]
    BtfExt(String),
    /// A string offset in `.BTF.ext` that `.BTF` does not have.
    #[error("in section .BTF.ext")]
    BtfExtString(#[source] BtfError),
    /// An object that the runtime could not tell from others.
    #[error("its digest cannot be taken")]
    Digest(#[source] btfgen_runtime::ObjectError),
}

impl Object {
    /// Parses an object; `name` is for messages.
    ///
    /// An object without `.BTF.ext` has no relocations, which is no error.
    ///
    /// # Errors
    /// When it is no eBPF object with a readable `.BTF`.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, ObjectError> {
        let elf = elf::Elf::parse(bytes)?;
        let raw = elf.btf.ok_or(ObjectError::NoBtf)?;
        let btf = Btf::parse(raw).map_err(ObjectError::Btf)?;
        if btf.endian() != elf.endian {
            return Err(ObjectError::ByteOrder { btf: btf.endian(), object: elf.endian });
        }
        let relocations = match elf.btf_ext {
            Some(section) => btf_ext::relocations(section, &btf)?,
            None => Relocations::default(),
        };
        let needs =
            program::kernel_btf_needs(&elf.programs, &elf.sections, &btf).map_err(ObjectError::Btf)?;
        Ok(Self {
            name: name.to_owned(),
            endian: elf.endian,
            digest: ObjectDigest::of(bytes).map_err(ObjectError::Digest)?,
            btf: raw.to_vec(),
            programs: elf.programs,
            code: elf.code,
            relocations,
            needs,
        })
    }

    /// The name for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The byte order.
    pub fn endian(&self) -> Endian {
        self.endian
    }

    /// Digest of the types and relocations, the same that the runtime takes of the object that is to be loaded.
    pub fn digest(&self) -> ObjectDigest {
        self.digest
    }

    /// The local types, a raw BTF.
    pub fn btf(&self) -> &[u8] {
        &self.btf
    }

    /// Programs and subprograms, in the order of their sections and offsets.
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }

    /// What the relocations ask, each once, in the order of the first relocation that asks it.
    pub fn asks(&self) -> &[Asks] {
        &self.relocations.asks
    }

    /// For each relocation what it asks, by its place among [`Object::asks`].
    pub(crate) fn asked(&self) -> &[u32] {
        &self.relocations.asked
    }

    /// Relocations in the order of `.BTF.ext`.
    pub fn relocations(&self) -> impl ExactSizeIterator<Item = Relocation<'_>> {
        (0..self.asked().len()).map(|place| self.relocation(place))
    }

    /// The relocation at that place among [`Object::relocations`].
    ///
    /// # Panics
    /// When there are not as many.
    pub fn relocation(&self, place: usize) -> Relocation<'_> {
        let Stand { section, insn_offset } = self.relocations.stands[place];
        let Section { name, name_offset, first } = &self.relocations.sections[section as usize];
        Relocation {
            section: name,
            number: place - first,
            insn_offset,
            asks: self.relocations.asked[place] as usize,
            name_offset: *name_offset,
        }
    }

    /// The offset of a relocation's instruction, as [`Relocation::insn_offset`].
    pub(crate) fn insn_offset(&self, place: usize) -> u32 {
        self.relocations.stands[place].insn_offset
    }

    /// The sections of the relocations, each with those of it that stand in a row.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (&Arc<str>, Range<usize>)> {
        let Relocations { sections, stands, .. } = &self.relocations;
        let ends = sections.iter().skip(1).map(|next| next.first).chain([stands.len()]);
        sections.iter().zip(ends).map(|(section, end)| (&section.name, section.first..end))
    }

    /// What of the object needs the kernel's own BTF, whatever is embedded.
    pub fn kernel_btf_needs(&self) -> &[KernelBtfNeed] {
        &self.needs
    }

    /// The instructions of a section, to be followed; subprograms in `.text` are taken to be called from anywhere.
    pub fn flow(&self, section: &str) -> Flow {
        Flow::new(self.code(section), self.endian, self.entries(section))
    }

    /// Where the programs and subprograms of a section begin, by instruction.
    pub(crate) fn entries(&self, section: &str) -> Vec<usize> {
        let first = self.programs.partition_point(|program| *program.section < *section);
        let own = self.programs[first..].iter().take_while(|program| program.section == section);
        own.filter_map(|program| usize::try_from(program.offset / 8).ok()).collect()
    }

    /// The instructions of a section.
    pub fn code(&self, section: &str) -> &[u8] {
        self.code.get(section).map_or(&[], Vec::as_slice)
    }

    /// The program or subprogram that holds a relocation's instruction: the one whose symbol covers it.
    pub fn program_of(&self, relocation: &Relocation<'_>) -> Option<&Program> {
        let offset = u64::from(relocation.insn_offset);
        let before = self.programs.partition_point(|program| {
            (program.section.as_str(), program.offset) <= (&**relocation.section, offset)
        });
        let program = &self.programs[before.checked_sub(1)?];
        let covers =
            program.section == **relocation.section && offset < program.offset.saturating_add(program.size);
        covers.then_some(program)
    }

    /// The program that holds a relocation, or its section's name.
    pub fn place_of(&self, relocation: &Relocation<'_>) -> String {
        match self.program_of(relocation) {
            Some(program) => program.name.clone(),
            None => format!("section {}", relocation.section),
        }
    }

    /// The C line that a relocation's instruction was compiled from, as far as the line info tells.
    ///
    /// Line info is for people. As libbpf does, parsing looks at its headers and bounds only; a line whose file or text
    /// cannot be read, or whose strings begin within other strings, is none.
    pub fn line_of(&self, relocation: &Relocation<'_>) -> Option<SourceLine> {
        self.relocations.lines.line(&self.btf, relocation.name_offset, relocation.insn_offset)
    }
}
