//! Progress of a traversal that may meet a type more than once, or in a circle.

use super::definition::TypeRef;

/// What is known of one type of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visit {
    /// It was not visited yet.
    Unseen,
    /// It is being followed: to meet it again is a circle.
    Open,
    /// Its definition.
    Done(TypeRef),
}
