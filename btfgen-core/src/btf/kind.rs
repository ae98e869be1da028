//! Kinds of BTF types, as `include/uapi/linux/btf.h` numbers them.

use std::fmt;

/// The kind of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are BTF's own")]
pub enum Kind {
    Void,
    Int,
    Ptr,
    Array,
    Struct,
    Union,
    Enum,
    Fwd,
    Typedef,
    Volatile,
    Const,
    Restrict,
    Func,
    FuncProto,
    Var,
    Datasec,
    Float,
    DeclTag,
    TypeTag,
    Enum64,
    /// A kind that this reader does not know, by its number.
    Unknown(u8),
}

/// The known kinds, in the order of their numbers.
const KNOWN: [Kind; 20] = [
    Kind::Void,
    Kind::Int,
    Kind::Ptr,
    Kind::Array,
    Kind::Struct,
    Kind::Union,
    Kind::Enum,
    Kind::Fwd,
    Kind::Typedef,
    Kind::Volatile,
    Kind::Const,
    Kind::Restrict,
    Kind::Func,
    Kind::FuncProto,
    Kind::Var,
    Kind::Datasec,
    Kind::Float,
    Kind::DeclTag,
    Kind::TypeTag,
    Kind::Enum64,
];

impl Kind {
    /// The kind of a record with that number; `void`, number 0, has no record.
    pub fn from_number(number: u8) -> Self {
        let known = KNOWN.get(usize::from(number)).copied();
        known.filter(|kind| *kind != Self::Void).unwrap_or(Self::Unknown(number))
    }

    /// The kind's number.
    pub fn number(self) -> u8 {
        match self {
            Self::Unknown(number) => number,
            known => (0..).zip(KNOWN).find(|(_, kind)| *kind == known).map_or(0, |(number, _)| number),
        }
    }

    /// Whether candidates of relocations can be of this kind: data and forward declarations.
    pub fn is_looked_up(self) -> bool {
        matches!(
            self,
            Self::Int
                | Self::Float
                | Self::Struct
                | Self::Union
                | Self::Enum
                | Self::Enum64
                | Self::Fwd
                | Self::Typedef
        )
    }

    /// Whether it is const, volatile, restrict or a type tag, as libbpf's `btf_is_mod` has it.
    pub fn is_modifier(self) -> bool {
        matches!(self, Self::Volatile | Self::Const | Self::Restrict | Self::TypeTag)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown(number) => return number.fmt(f),
            Self::Void => "void",
            Self::Int => "int",
            Self::Ptr => "ptr",
            Self::Array => "array",
            Self::Struct => "struct",
            Self::Union => "union",
            Self::Enum => "enum",
            Self::Fwd => "fwd",
            Self::Typedef => "typedef",
            Self::Volatile => "volatile",
            Self::Const => "const",
            Self::Restrict => "restrict",
            Self::Func => "func",
            Self::FuncProto => "func_proto",
            Self::Var => "var",
            Self::Datasec => "datasec",
            Self::Float => "float",
            Self::DeclTag => "decl_tag",
            Self::TypeTag => "type_tag",
            Self::Enum64 => "enum64",
        })
    }
}
