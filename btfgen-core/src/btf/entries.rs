//! Entries of a type's record. A name is a [`StrOffset`] where a BTF is read and bytes where one is written.
//!
//! [`StrOffset`]: super::StrOffset

use super::ids::TypeId;

/// A member of a struct or union.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<N> {
    /// Its name; empty for an embedded struct or union.
    pub name: N,
    /// Its type.
    pub ty: TypeId,
    /// Offset in bits from the struct's start.
    pub bit_offset: u32,
    /// Width of a bitfield in bits, else 0.
    pub bitfield_size: u8,
}

impl<N> Member<N> {
    /// A member that is not a bitfield.
    pub fn new(name: N, ty: TypeId, bit_offset: u32) -> Self {
        Self { name, ty, bit_offset, bitfield_size: 0 }
    }
}

/// An enumerator of an enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enumerator<N> {
    /// Its name.
    pub name: N,
    /// Its value; that of a 32-bit enum is sign-extended, as libbpf reads it.
    pub value: u64,
}

/// A parameter of a function prototype.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param<N> {
    /// Its name.
    pub name: N,
    /// Its type.
    pub ty: TypeId,
}

/// A variable of a data section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// The type of kind `var`, which has its name.
    pub ty: TypeId,
    /// Offset in bytes from the section's start.
    pub offset: u32,
    /// Size in bytes.
    pub size: u32,
}
