//! Attachability: whether a kprobe or a trampoline can be attached to a function, and whether a kernel has BTF of its own.

use std::collections::HashMap;

/// Whether a kernel ships BTF of its own. The order is that of certainty: of two sources of a kernel the greater value counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShipsBtf {
    /// The source does not tell, as a BTF file.
    #[default]
    Unknown,
    /// Its BTF was made from DWARF, or is published because the kernel has none.
    No,
    /// Its BTF was found in its image, or in the running kernel.
    Yes,
}

impl ShipsBtf {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::No => "no",
            Self::Yes => "yes",
        }
    }
}

/// Whether kprobes and trampolines can be attached to a function. The order is that of precedence: of two sources of a kernel
/// the greater value counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attachability {
    /// The source does not tell.
    #[default]
    Unknown,
    /// The kernel's symbols lack it, or it has no ftrace site.
    No,
    /// It takes no kprobe: several symbols have its name, or it is on the kprobe blacklist. It may take a trampoline.
    TraceOnly,
    /// It is once among the kernel's symbols, has an ftrace site, and is not on the kprobe blacklist.
    Yes,
}

impl Attachability {
    /// Those that a source can tell.
    pub(crate) const KNOWN: [Self; 3] = [Self::Yes, Self::TraceOnly, Self::No];
}

/// The attachability of a kernel's functions by name, without those of its modules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttachTable {
    symbols: HashMap<Vec<u8>, Attachability>,
}

impl AttachTable {
    /// A function's attachability. A function that is no symbol is inlined everywhere or was dropped.
    pub fn get(&self, function: &[u8]) -> Attachability {
        self.symbols.get(function).copied().unwrap_or(Attachability::No)
    }
}

impl FromIterator<(Vec<u8>, Attachability)> for AttachTable {
    /// A table of all symbols of a kernel; of several with one name the greatest attachability counts.
    fn from_iter<I: IntoIterator<Item = (Vec<u8>, Attachability)>>(symbols: I) -> Self {
        let mut table = Self::default();
        for (name, attachability) in symbols {
            let known = table.symbols.entry(name).or_default();
            *known = attachability.max(*known);
        }
        table
    }
}
