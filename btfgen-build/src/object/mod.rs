//! Object: a compiled eBPF ELF file, its local types, its programs and its CO-RE relocations.

mod btf_ext;
mod elf;
mod program;
mod reach;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use btfgen_runtime::ObjectDigest;

use crate::btf::{Btf, BtfError, Endian};
use crate::resolve::RelocationKind;

pub use program::{KernelBtfNeed, Program};
pub use reach::{Flow, Patch};

/// A compiled eBPF object.
#[derive(Debug, Clone)]
pub struct Object {
    name: String,
    endian: Endian,
    digest: ObjectDigest,
    /// Hash of the file.
    hash: u64,
    btf: Vec<u8>,
    programs: Vec<Program>,
    /// Instructions by section.
    code: BTreeMap<String, Vec<u8>>,
    relocations: Vec<Relocation>,
    needs: Vec<KernelBtfNeed>,
}

/// One CO-RE relocation (`struct bpf_core_relo`), with where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocation {
    /// The section whose instruction is relocated.
    pub section: Arc<str>,
    /// The relocation's number in its section, from 0, as libbpf's messages count.
    pub number: usize,
    /// The instruction's offset in the section, in bytes.
    pub insn_offset: u32,
    /// The local root type's id.
    pub root: u32,
    /// The access string, such as `0:1:2`.
    pub access: Arc<str>,
    /// The kind, or its number if it is unknown.
    pub kind: Result<RelocationKind, u32>,
    /// The program or subprogram that holds the instruction, by its place among [`Object::programs`].
    pub program: Option<usize>,
    /// The C source line that the instruction was compiled from.
    pub line: Option<SourceLine>,
}

/// A line of C source, from the object's line info.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// The file as the compiler was given it.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The line's text.
    pub text: Arc<str>,
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
            Some(section) => btf_ext::relocations(section, &btf, &elf.programs)?,
            None => Vec::new(),
        };
        let needs =
            program::kernel_btf_needs(&elf.programs, &elf.sections, &btf).map_err(ObjectError::Btf)?;
        Ok(Self {
            name: name.to_owned(),
            endian: elf.endian,
            digest: ObjectDigest::of(bytes).map_err(ObjectError::Digest)?,
            hash: crate::cache::hash_bytes(bytes),
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

    /// Digest of what the relocations ask for, as the runtime takes it of the object that it is to load.
    pub fn digest(&self) -> ObjectDigest {
        self.digest
    }

    /// A hash of the whole file.
    pub(crate) fn file_hash(&self) -> u64 {
        self.hash
    }

    /// The local types, a raw BTF.
    pub fn btf(&self) -> &[u8] {
        &self.btf
    }

    /// Programs and subprograms, in the order of their sections and offsets.
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }

    /// Relocations in the order of `.BTF.ext`.
    pub fn relocations(&self) -> &[Relocation] {
        &self.relocations
    }

    /// What of the object needs the kernel's own BTF, whatever is embedded.
    pub fn kernel_btf_needs(&self) -> &[KernelBtfNeed] {
        &self.needs
    }

    /// The instructions of a section, to be followed; subprograms in `.text` are taken to be called from anywhere.
    pub fn flow(&self, section: &str) -> Flow {
        let programs = self.programs.iter().filter(|program| program.section == section);
        let entries = programs.filter_map(|program| usize::try_from(program.offset / 8).ok());
        Flow::new(self.code(section), self.endian, entries.collect())
    }

    /// The instructions of a section.
    pub fn code(&self, section: &str) -> &[u8] {
        self.code.get(section).map_or(&[], Vec::as_slice)
    }

    /// The program that holds a relocation, or its section's name.
    pub fn place_of(&self, relocation: &Relocation) -> String {
        match relocation.program.and_then(|index| self.programs.get(index)) {
            Some(program) => program.name.clone(),
            None => format!("section {}", relocation.section),
        }
    }
}

impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
