//! Errors of finding requirements.

use crate::btf::BtfError;

/// Why an object's requirements cannot be found. libbpf does not load such an object either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequirementsError {
    /// Malformed local BTF.
    #[error("in section .BTF")]
    Btf(#[from] BtfError),
    /// A malformed definition of a map.
    #[error("map {map}: {problem}")]
    Map {
        /// The map's name.
        map: String,
        /// What is wrong.
        problem: &'static str,
    },
}
