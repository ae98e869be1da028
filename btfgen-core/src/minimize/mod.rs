//! Minimized BTF: from a kernel's candidates to the canonical bytes that hold what the relocations read.
//!
//! Steps: [`Answers`] works out each question for each candidate and what it read; `footprint` keeps the candidates
//! that take part in a decision; `reduce` cuts their definitions down to what was read; `types::emit` writes them in
//! an order that depends on content alone; `verify` reads the bytes back and resolves everything anew.

mod footprint;
mod reduce;
mod verify;

use std::sync::Arc;

use crate::btf::{BtfError, DataModel};
use crate::kernel::{CandidateRef, KernelTypes};
use crate::memo::Memo;
use crate::resolve::{Answers, Roots};
use crate::types::{TypeRef, Types, emit};

pub use footprint::Footprint;
use reduce::Reducer;
pub use verify::{Difference, Verifier};

/// Why a kernel has no minimized BTF.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MinimizeError {
    /// What is left does not fit BTF's wire format, or the bytes written cannot be read back.
    #[error("the minimized BTF cannot be written")]
    Btf(#[from] BtfError),
    /// A relocation resolves otherwise against the minimized BTF: an error of this program, never of its input.
    #[error("the minimized BTF differs from the kernel's: {0}")]
    Difference(Box<Difference>),
}

/// What two kernels must share to share a minimized BTF: data model, candidates that take part, `long`.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    model: DataModel,
    kept: Vec<(usize, Vec<CandidateRef>)>,
    long: Option<TypeRef>,
}

/// Minimizes kernel after kernel; what kernels share is worked on once.
pub struct Minimizer<'r> {
    roots: &'r Roots,
    answers: Answers<'r>,
    reducer: Reducer,
    verifier: Verifier<'r>,
    known: Memo<Key, Arc<[u8]>>,
}

impl<'r> Minimizer<'r> {
    /// A minimizer that has seen no kernel.
    pub fn new(roots: &'r Roots) -> Self {
        let (answers, verifier) = (Answers::new(roots), Verifier::new(roots));
        Self { roots, answers, reducer: Reducer::new(), verifier, known: Memo::default() }
    }

    /// The answers worked out so far.
    pub fn answers(&mut self) -> &mut Answers<'r> {
        &mut self.answers
    }

    /// A kernel's minimized BTF, verified; kernels that need the same get the same bytes.
    ///
    /// `types` must be the store that the kernel was interned into, the same at every call.
    ///
    /// # Errors
    /// When it cannot be written, or differs.
    pub fn minimize(&mut self, types: &Types, kernel: &KernelTypes) -> Result<Arc<[u8]>, MinimizeError> {
        let kept = footprint::kept(&mut self.answers, types, kernel);
        let key = Key { model: kernel.model, kept, long: kernel.long };
        if let Some(bytes) = self.known.get(&key) {
            return Ok(Arc::clone(bytes));
        }
        let footprint = Footprint::new(self.roots, &mut self.answers, types, kernel, &key.kept);
        let reduced = self.reducer.reduce(types, &footprint);
        let bytes: Arc<[u8]> = emit(&reduced, kernel.model)?.into();
        self.verifier
            .verify(&mut self.answers, types, kernel, &bytes)?
            .map_err(|difference| MinimizeError::Difference(Box::new(difference)))?;
        self.known.insert(key, Arc::clone(&bytes));
        Ok(bytes)
    }
}
