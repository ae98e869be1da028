//! Errors of reading and writing BTF.

use super::ids::{StrOffset, TypeId};
use super::kind::Kind;

/// Why a BTF cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BtfError {
    /// The first two bytes are BTF's magic in neither byte order.
    #[error("not a BTF: the magic 0xeb9f is missing")]
    Magic,
    /// A version other than 1.
    #[error("unsupported BTF version {0}")]
    Version(u8),
    /// The data ends before a part that the header or a type announces.
    #[error("truncated BTF: {part} needs {needed} bytes, the file has {found}")]
    Truncated {
        /// The truncated part.
        part: &'static str,
        /// Bytes needed.
        needed: usize,
        /// Bytes found.
        found: usize,
    },
    /// The string section does not begin and end with a NUL byte.
    #[error("malformed BTF string section: it must begin and end with a NUL byte")]
    Strings,
    /// A layout section that is not where libbpf expects it, or not a list of entries.
    #[error("malformed BTF layout section: {0}")]
    Layout(&'static str),
    /// A type of a kind that this reader does not know, and that it cannot skip.
    #[error("type [{id}] has the unknown kind {kind}, and no layout section tells its size")]
    UnknownKind {
        /// The type's id.
        id: TypeId,
        /// The kind's number.
        kind: u8,
    },
    /// An unknown kind whose record is not a number of whole words.
    #[error(
        "type [{id}] has the unknown kind {kind}, whose sizes in the layout section, {info_size} and {element_size}, are not \
         multiples of 4"
    )]
    UnknownKindSize {
        /// The type's id.
        id: TypeId,
        /// The kind's number.
        kind: u8,
        /// Size in bytes of what follows the common part once.
        info_size: u8,
        /// Size in bytes of what follows it `vlen` times.
        element_size: u8,
    },
    /// A type id past the last type.
    #[error("type id {id} is out of range: the BTF has {count} types")]
    TypeId {
        /// The id.
        id: TypeId,
        /// Number of types, `void` included.
        count: u32,
    },
    /// A string offset past the string section's end.
    #[error("string offset {offset} is out of range: the string section has {size} bytes")]
    StringOffset {
        /// The offset in bytes.
        offset: StrOffset,
        /// The section's size in bytes.
        size: usize,
    },
    /// Names that overlap, or long ones that many types have, so that together they are far longer than the string section.
    #[error("the names of all types together are longer than {limit} bytes")]
    LongNames {
        /// The limit in bytes.
        limit: usize,
    },
    /// A type that contains itself by value, or a pointer to itself.
    #[error("type [{id}] contains itself")]
    Cycle {
        /// The type's id.
        id: TypeId,
    },
    /// Nesting deeper than any compiler writes, or than libbpf's `btf__resolve_size` follows.
    #[error("type [{id}] is nested too deeply")]
    TooDeep {
        /// The type's id.
        id: TypeId,
    },
    /// A kind that is not allowed in its place, such as a function as a member's type.
    #[error("type [{id}] of kind {kind} cannot be the type of a member, element, parameter or pointer")]
    UnexpectedKind {
        /// The type's id.
        id: TypeId,
        /// Its kind.
        kind: Kind,
    },
    /// More types, members or string bytes than the wire format can count.
    #[error("too many {0} for one BTF")]
    TooLarge(&'static str),
    /// More members, enumerators or parameters than loaders before Linux 7.1 read.
    #[error("type {name} has {count} members; a BTF for all loaders can have {limit} in a type")]
    TooManyEntries {
        /// The type's name, shortened if it is long.
        name: String,
        /// Number of members, enumerators or parameters.
        count: usize,
        /// The limit.
        limit: u16,
    },
    /// A type of an unknown kind in a BTF that is to be written.
    #[error("type {name} has kind {kind}; a BTF for all loaders can have kinds up to {limit}")]
    UnwritableKind {
        /// The type's name, shortened if it is long.
        name: String,
        /// The kind's number.
        kind: u8,
        /// The last known kind's number.
        limit: u8,
    },
    /// A member's bit offset does not fit the 24 bits that a struct with bitfields has for it.
    #[error("bit offset {0} is too large for a struct with bitfields")]
    MemberOffset(u32),
}
