//! References: the sections and symbols of the ELF file, and which symbols instructions refer to.

use std::sync::Arc;

use super::reach::InsnIndex;

/// A section's name and size.
#[derive(Debug, Clone)]
pub(super) struct ElfSection {
    pub(super) name: Arc<str>,
    pub(super) size: u64,
}

/// A symbol of the ELF file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Its name; empty for the symbol of a whole section.
    pub name: Arc<str>,
    /// The section that defines it; none if it is an extern.
    pub section: Option<Arc<str>>,
    /// Its offset in that section, in bytes.
    pub offset: u64,
    /// Whether it is weak: an extern that may be missing.
    pub weak: bool,
}

/// A reference from an instruction to a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    /// The instruction.
    pub insn: InsnIndex,
    /// Index of the symbol among all symbols.
    pub(super) symbol: u32,
}
