//! Failures of resolving a relocation against one candidate.

/// Why resolving a relocation against a candidate fails; libbpf then refuses the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum MatchFailure {
    /// More than 64 levels of structs, unions and arrays (`-E2BIG`).
    #[error("structs, unions or arrays are nested more than 64 deep")]
    TooDeep,
    /// Types nest deeper than 32 levels (`-EINVAL`).
    #[error("the compared types are nested more than 32 deep")]
    Recursion,
    /// A type without a size (`-EINVAL`).
    #[error("a type has no size")]
    Size,
    /// A bitfield that no load of up to 8 bytes covers (`-E2BIG`).
    #[error("the bitfield cannot be read with one load of up to 8 bytes")]
    Bitfield,
    /// A relocation of this kind needs a field, but the access ends at an array element (`-EINVAL`).
    #[error("a relocation of this kind cannot be applied to an array element")]
    ArrayAccess,
    /// The result depends on a type of an unknown kind, given by its number.
    ///
    /// Departure from libbpf, for which such a type is compatible with none: one that knows the kind may disagree.
    #[error("it depends on a type of kind {0}, which this version of btfgen does not know")]
    UnknownKind(u8),
    /// The comparison takes more steps than for any real type (a limit of this resolver).
    #[error("comparing the types takes too many steps")]
    TooIntricate,
}
