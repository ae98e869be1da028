//! Ids of types and offsets of strings, as the wire format numbers them.

use std::fmt;

/// Id of a type in one BTF; ids of a split BTF continue those of its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u32);

impl TypeId {
    /// The type `void`, which no BTF stores.
    pub const VOID: Self = Self(0);

    /// Index into a table with an entry for each type, `void` included.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Offset of a string in a BTF's string section, in bytes; that of a split BTF continues its base's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StrOffset(pub u32);

impl StrOffset {
    /// The empty string, with which every string section begins.
    pub const EMPTY: Self = Self(0);
}

impl fmt::Display for StrOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
