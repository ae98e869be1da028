//! BTF wire format: zero-copy reader and writer, both byte orders, all kinds up to `ENUM64`.

mod endian;
mod kind;
mod read;
mod write;

pub use endian::{DataModel, Endian, u32_at};
pub use kind::Kind;
pub use read::{Btf, MAX_NAME_LEN, RawType};
pub(crate) use read::{is_long, string_at};
pub use write::Writer;

pub(crate) use endian::{Fields, u16_at};

/// Id of the type `void`, which no BTF stores.
pub const VOID: u32 = 0;

/// What is wrong with a BTF.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BtfError {
    /// The first two bytes are BTF's magic in neither byte order.
    #[error("not a BTF: the magic 0xeb9f is missing")]
    Magic,
    /// A version other than 1.
    #[error("unsupported BTF version {0}")]
    Version(u8),
    /// The data end before a part that the header or a type announces.
    #[error("truncated BTF: {part} needs {needed} bytes, {found} are there")]
    Truncated {
        /// The part that is cut off.
        part: &'static str,
        /// Bytes needed.
        needed: usize,
        /// Bytes found.
        found: usize,
    },
    /// The string section does not begin and end with a NUL byte.
    #[error("malformed BTF string section: it must begin and end with a nul byte")]
    Strings,
    /// A type of a kind that this reader does not know.
    #[error("type [{id}] has the unknown kind {kind}")]
    UnknownKind {
        /// The type's id.
        id: u32,
        /// The kind's number.
        kind: u8,
    },
    /// A type id past the last type.
    #[error("type id {id} is out of range: there are {count} types")]
    TypeId {
        /// The id.
        id: u32,
        /// Number of types, `void` included.
        count: u32,
    },
    /// A string offset past the string section's end.
    #[error("string offset {offset} is out of range: the string section has {size} bytes")]
    StringOffset {
        /// The offset in bytes.
        offset: u32,
        /// The section's size in bytes.
        size: usize,
    },
    /// A name longer than any compiler's.
    #[error("the name at string offset {offset} is longer than {most} bytes")]
    LongName {
        /// The offset in bytes.
        offset: u32,
        /// Most bytes that a name may have.
        most: usize,
    },
    /// Names that share bytes, so that together they are far longer than the string section.
    #[error("the names of the types are together longer than {limit} bytes")]
    LongNames {
        /// The limit in bytes.
        limit: usize,
    },
    /// A type that contains itself by value, or a pointer that points at itself.
    #[error("type [{id}] contains itself")]
    Cycle {
        /// The type's id.
        id: u32,
    },
    /// Nesting deeper than any compiler's, or than libbpf's `btf__resolve_size` follows.
    #[error("type [{id}] is nested too deeply")]
    TooDeep {
        /// The type's id.
        id: u32,
    },
    /// A kind where no such kind can stand, such as a function as a member's type.
    #[error("type [{id}] of kind {kind} cannot be the type of a member, element, parameter or pointer")]
    UnexpectedKind {
        /// The type's id.
        id: u32,
        /// Its kind.
        kind: Kind,
    },
    /// More types or string bytes than the wire format can number.
    #[error("too much for one BTF: {0}")]
    TooLarge(&'static str),
    /// A member whose bit offset does not fit beside bitfields.
    #[error("member at bit {0} does not fit a struct with bitfields")]
    MemberOffset(u32),
}
