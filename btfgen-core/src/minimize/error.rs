//! Errors of minimizing.

use std::fmt;

use crate::btf::BtfError;
use crate::resolve::{MatchFailure, MatchResult};

/// Why a kernel has no minimized BTF.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MinimizeError {
    /// The minimized BTF does not fit the wire format, or the written bytes cannot be read back.
    #[error("cannot write the minimized BTF")]
    Btf(#[from] BtfError),
    /// A relocation depends on a type of a kind that this version does not know.
    #[error("relocation {relocation}: {failure}")]
    UnknownKind {
        /// The relocation's kind and spec.
        relocation: String,
        /// What it depends on.
        failure: MatchFailure,
    },
    /// The minimized BTF would need two definitions of one kind and name, of which only the kernel's is a candidate.
    #[error(
        "a module's {name} is compared by name, and relocations on the kernel's own {name} resolve differently for it, so \
         one BTF cannot hold both: vendor without that module (--modules=NAME,...)"
    )]
    TwoDefinitions {
        /// The name.
        name: String,
    },
    /// A relocation resolves differently against the minimized BTF: a bug in btfgen.
    #[error("the minimized BTF differs from the kernel's (a bug in btfgen, please report it): {0}")]
    Difference(Box<Difference>),
}

/// A relocation that resolves differently against the minimized BTF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The relocation's kind and spec.
    pub relocation: String,
    /// The results for the kernel's candidates, without those that do not match.
    pub full: Vec<MatchResult>,
    /// The results for the minimized BTF's candidates.
    pub minimized: Vec<MatchResult>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "relocation {}: {:?} in full, {:?} minimized", self.relocation, self.full, self.minimized)
    }
}
