//! Relocations resolved as libbpf's `relo_core.c` does: local spec, candidates, match, value, ambiguity, pruning.
//!
//! The order of the algorithm is `bpf_core_calc_relo_insn`'s. What differs is where state lives: each relocation is
//! answered for each candidate alone ([`evaluate`]), and libbpf's verdict over all candidates, with the pruning that
//! earlier relocations did, is drawn from these answers ([`decide`]). So an answer depends on one pair of definitions
//! and is worked out once, however many kernels hold the candidate.

mod answers;
mod compat;
mod decide;
mod evaluate;
mod explain;
mod format;
mod local;
mod matches;
mod member;
mod reads;
mod roots;
mod value;

pub use answers::{Answers, Evaluation};
pub use decide::{Candidate, Outcome, Pruned, decide, order_decides};
pub use evaluate::{Answer, Resolved, check_local, evaluate};
pub use explain::explain_mismatch;
pub use format::{describe_root, describe_spec};
pub use local::{Accessor, LocalFailure, LocalSpec, MAX_SPEC_LEN};
pub use reads::{NodeReads, Reads};
pub use roots::{Place, Question, Root, RootKind, Roots};

use std::fmt;

/// The kind of a relocation, numbered as `enum bpf_core_relo_kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
#[expect(missing_docs, reason = "the names are the kernel's own")]
pub enum RelocationKind {
    FieldByteOffset = 0,
    FieldByteSize = 1,
    FieldExists = 2,
    FieldSigned = 3,
    FieldLshiftU64 = 4,
    FieldRshiftU64 = 5,
    TypeIdLocal = 6,
    TypeIdTarget = 7,
    TypeExists = 8,
    TypeSize = 9,
    EnumvalExists = 10,
    EnumvalValue = 11,
    TypeMatches = 12,
}

impl RelocationKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::FieldByteOffset,
        Self::FieldByteSize,
        Self::FieldExists,
        Self::FieldSigned,
        Self::FieldLshiftU64,
        Self::FieldRshiftU64,
        Self::TypeIdLocal,
        Self::TypeIdTarget,
        Self::TypeExists,
        Self::TypeSize,
        Self::EnumvalExists,
        Self::EnumvalValue,
        Self::TypeMatches,
    ];

    /// The kind with that number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }

    /// libbpf's `core_relo_is_field_based`.
    pub fn is_field_based(self) -> bool {
        (self as u32) <= Self::FieldRshiftU64 as u32
    }

    /// libbpf's `core_relo_is_enumval_based`.
    pub fn is_enumval_based(self) -> bool {
        matches!(self, Self::EnumvalExists | Self::EnumvalValue)
    }

    /// libbpf's `core_relo_is_type_based`.
    pub fn is_type_based(self) -> bool {
        !self.is_field_based() && !self.is_enumval_based()
    }

    /// Whether it asks if something is there, and so guards other relocations.
    pub fn is_existence_check(self) -> bool {
        matches!(
            self,
            Self::FieldExists | Self::TypeExists | Self::TypeMatches | Self::TypeSize | Self::EnumvalExists
        )
    }
}

impl fmt::Display for RelocationKind {
    /// The names of libbpf's `core_relo_kind_str`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FieldByteOffset => "byte_off",
            Self::FieldByteSize => "byte_sz",
            Self::FieldExists => "field_exists",
            Self::FieldSigned => "signed",
            Self::FieldLshiftU64 => "lshift_u64",
            Self::FieldRshiftU64 => "rshift_u64",
            Self::TypeIdLocal => "local_type_id",
            Self::TypeIdTarget => "target_type_id",
            Self::TypeExists => "type_exists",
            Self::TypeMatches => "type_matches",
            Self::TypeSize => "type_size",
            Self::EnumvalExists => "enumval_exists",
            Self::EnumvalValue => "enumval_value",
        })
    }
}

/// Why a relocation cannot be worked out against a candidate; libbpf fails the load then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum MatchFailure {
    /// More than 64 levels of structs, unions and arrays (`-E2BIG`).
    #[error("structs, unions or arrays are nested more than 64 deep")]
    TooDeep,
    /// Types nest deeper than 32 levels (`-EINVAL`).
    #[error("types to be compared are nested more than 32 deep")]
    Recursion,
    /// A type without a size (`-EINVAL`).
    #[error("a type's size cannot be told")]
    Size,
    /// A bitfield that no load of up to 8 bytes covers (`-E2BIG`).
    #[error("the bitfield cannot be read with one load of up to 8 bytes")]
    Bitfield,
    /// A relocation of this kind needs a field, and the access ends at an array element (`-EINVAL`).
    #[error("a relocation of this kind cannot be applied to an array element")]
    ArrayAccess,
    /// The comparison takes more steps than any real type's.
    #[error("the types are too intricate to be compared")]
    TooIntricate,
}
