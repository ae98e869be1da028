//! Errors of parsing an object.

use crate::btf::{BtfError, Endian};

/// Why a file is not a usable eBPF object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// Not an ELF file, or a damaged one.
    #[error("not a readable ELF file: {0}")]
    Elf(String),
    /// An ELF file for another machine.
    #[error(
        "ELF file for machine {0}, not an eBPF object (machine 247), and no program with a section .bpf.objs: compile with clang -target bpf"
    )]
    Machine(u16),
    /// A program whose section `.bpf.objs` has no object.
    #[error("section .bpf.objs of the program contains no eBPF object")]
    NoneEmbedded,
    /// An ELF file that is not relocatable.
    #[error("ELF file of type {0}, not a relocatable object (type 1): compile with clang -c")]
    NotRelocatable(u16),
    /// No `.BTF` section.
    #[error("no .BTF section: compile with clang -target bpf -g")]
    NoBtf,
    /// A malformed `.BTF` section.
    #[error("in section .BTF")]
    Btf(#[source] BtfError),
    /// A `.BTF` section whose byte order differs from the object's.
    #[error("section .BTF is {btf}, the object is {object}")]
    ByteOrder {
        /// The section's byte order.
        btf: Endian,
        /// The object's byte order.
        object: Endian,
    },
    /// A malformed `.BTF.ext` section.
    #[error("in section .BTF.ext: {0}")]
    BtfExt(String),
    /// A string offset in `.BTF.ext` that is out of range in `.BTF`.
    #[error("in section .BTF.ext")]
    BtfExtString(#[source] BtfError),
    /// The object's digest cannot be computed.
    #[error("cannot compute its digest")]
    Digest(#[source] btfgen_runtime::ObjectError),
}

impl ObjectError {
    /// A malformed `.BTF.ext`, with what is wrong.
    pub(super) fn ext(problem: impl Into<String>) -> Self {
        Self::BtfExt(problem.into())
    }
}
