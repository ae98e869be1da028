//! Definitions: what a [`Types`] stores, one at a time.
//!
//! [`Types`]: super::Types

use super::names::Name;

/// A definition in a [`Types`]; equal content has one reference.
///
/// [`Types`]: super::Types
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeRef(u32);

impl TypeRef {
    /// The type `void`, which every store holds.
    pub const VOID: Self = Self(0);

    /// The reference with that index; nothing checks that the store has a definition for it.
    pub(crate) fn at(index: u32) -> Self {
        Self(index)
    }

    /// Index in the order of interning.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The index, as files store it.
    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

/// Struct or union.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are C's own")]
pub enum Composite {
    Struct,
    Union,
}

/// One definition, without its members, enumerators or parameters, which the store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// `void`
    Void,
    /// An integer.
    Int {
        /// Its name.
        name: Name,
        /// Size in bytes.
        size: u32,
        /// Encoding: 1 signed, 2 char, 4 bool.
        encoding: u8,
        /// Bit offset, which only old compilers set.
        offset: u8,
        /// Width in bits.
        bits: u8,
    },
    /// A floating-point number.
    Float {
        /// Its name.
        name: Name,
        /// Size in bytes.
        size: u32,
    },
    /// A pointer.
    Ptr {
        /// Its target: structs and unions as [`Type::Named`].
        pointee: TypeRef,
    },
    /// An array.
    Array {
        /// Element type.
        element: TypeRef,
        /// Number of elements.
        len: u32,
    },
    /// A struct or union with its members.
    Composite {
        /// Struct or union.
        kind: Composite,
        /// Its name, or the empty name.
        name: Name,
        /// Size in bytes.
        size: u32,
    },
    /// An enum or enum64.
    Enum {
        /// Its name, or the empty name.
        name: Name,
        /// Size in bytes.
        size: u32,
        /// Whether values are signed (the kind flag).
        signed: bool,
        /// Whether it is an enum64.
        wide: bool,
    },
    /// A forward declaration.
    Fwd {
        /// Struct or union.
        kind: Composite,
        /// Its name.
        name: Name,
    },
    /// A struct or union behind a pointer, of which only kind and name count.
    Named {
        /// Struct or union.
        kind: Composite,
        /// Its name, or the empty name.
        name: Name,
    },
    /// A typedef that is a relocation's root; elsewhere its target replaces it.
    Typedef {
        /// Its name.
        name: Name,
        /// The type it names, without modifiers and further typedefs.
        target: TypeRef,
    },
    /// A function prototype.
    FuncProto {
        /// The type that it returns.
        result: TypeRef,
    },
    /// A type of a kind that this version does not know, of which only kind and name are stored: its other words may be
    /// ids and string offsets of the BTF that it is from.
    Opaque {
        /// Its name, or the empty name.
        name: Name,
        /// The kind's number.
        kind: u8,
    },
}

/// A member of a struct or union.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its name, or the empty name of an embedded struct or union.
    pub name: Name,
    /// Its type.
    pub ty: TypeRef,
    /// Offset in bits from the struct's start.
    pub bit_offset: u32,
    /// Width of a bitfield in bits, else 0.
    pub bitfield_size: u8,
}

/// An enumerator of an enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Enumerator {
    /// Its name.
    pub name: Name,
    /// Its value; that of a 32-bit enum is sign-extended.
    pub value: u64,
}

/// The kinds of definitions, in canonical order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DefinitionKind {
    Void,
    Int,
    Float,
    Ptr,
    Array,
    Enum,
    FuncProto,
    NamedStruct,
    NamedUnion,
    FwdStruct,
    FwdUnion,
    Typedef,
    Struct,
    Union,
    Opaque,
}

impl DefinitionKind {
    /// Every kind except `void`.
    pub(crate) const STORED: [Self; 14] = [
        Self::Int,
        Self::Float,
        Self::Ptr,
        Self::Array,
        Self::Enum,
        Self::FuncProto,
        Self::NamedStruct,
        Self::NamedUnion,
        Self::FwdStruct,
        Self::FwdUnion,
        Self::Typedef,
        Self::Struct,
        Self::Union,
        Self::Opaque,
    ];
}

impl Type {
    /// The definition's kind.
    pub(crate) fn kind(self) -> DefinitionKind {
        use Composite::{Struct, Union};
        match self {
            Self::Void => DefinitionKind::Void,
            Self::Int { .. } => DefinitionKind::Int,
            Self::Float { .. } => DefinitionKind::Float,
            Self::Ptr { .. } => DefinitionKind::Ptr,
            Self::Array { .. } => DefinitionKind::Array,
            Self::Enum { .. } => DefinitionKind::Enum,
            Self::FuncProto { .. } => DefinitionKind::FuncProto,
            Self::Named { kind: Struct, .. } => DefinitionKind::NamedStruct,
            Self::Named { kind: Union, .. } => DefinitionKind::NamedUnion,
            Self::Fwd { kind: Struct, .. } => DefinitionKind::FwdStruct,
            Self::Fwd { kind: Union, .. } => DefinitionKind::FwdUnion,
            Self::Typedef { .. } => DefinitionKind::Typedef,
            Self::Composite { kind: Struct, .. } => DefinitionKind::Struct,
            Self::Composite { kind: Union, .. } => DefinitionKind::Union,
            Self::Opaque { .. } => DefinitionKind::Opaque,
        }
    }
}
