//! Minimized BTFs: from a kernel's candidates to canonical bytes that contain what relocations read.
//!
//! Steps: [`Evaluator`] evaluates each query for each candidate and records what it read; `footprint` keeps the relevant
//! candidates; `reduce` removes the parts of their definitions that were not read; `types::emit` writes them in an order
//! that depends on content alone; `verify` reads the bytes back and evaluates all queries again.

mod error;
mod footprint;
mod reduce;
mod verify;

use std::sync::Arc;

use crate::btf::DataModel;
use crate::kernel::KernelTypes;
use crate::memo::Memo;
use crate::resolve::{Evaluator, MatchFailure, MatchResult, Roots, describe_spec};
use crate::types::{TypeRef, Types, emit};

pub use error::{Difference, MinimizeError};
use footprint::{Footprint, Kept};
use reduce::Reducer;
use verify::Verifier;

/// A key of kernels with the same minimized BTF: data model, relevant candidates, `long`.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    model: DataModel,
    kept: Vec<Kept>,
    long: Option<TypeRef>,
}

/// Minimizes kernels one after another; kernels with equal keys are minimized once.
pub struct Minimizer<'r> {
    evaluator: Evaluator<'r>,
    reducer: Reducer,
    verifier: Verifier<'r>,
    known: Memo<Key, Arc<[u8]>>,
}

impl<'r> Minimizer<'r> {
    /// A minimizer for the relocations of these roots.
    pub fn new(roots: &'r Roots) -> Self {
        let (evaluator, verifier) = (Evaluator::new(roots), Verifier::new(roots));
        Self { evaluator, reducer: Reducer::new(), verifier, known: Memo::default() }
    }

    /// The evaluator, with the candidates evaluated so far.
    pub fn evaluator(&mut self) -> &mut Evaluator<'r> {
        &mut self.evaluator
    }

    /// A kernel's minimized BTF, verified; kernels that need the same share the bytes.
    ///
    /// `types` must be the store that the kernel was interned into, the same at every call.
    ///
    /// # Errors
    /// When it cannot be written, or resolves a relocation differently.
    pub fn minimize(&mut self, types: &Types, kernel: &KernelTypes) -> Result<Arc<[u8]>, MinimizeError> {
        let kept = footprint::kept(&mut self.evaluator, types, kernel);
        let key = Key { model: kernel.model, kept, long: kernel.long };
        if let Some(bytes) = self.known.get(&key) {
            return Ok(Arc::clone(bytes));
        }
        self.check_kinds(types, kernel)?;
        let footprint = Footprint::new(&mut self.evaluator, types, kernel, &key.kept)?;
        let reduced = self.reducer.reduce(types, &footprint);
        let bytes: Arc<[u8]> = emit(&reduced, kernel.model)?.into();
        self.verifier.verify(&mut self.evaluator, types, kernel, &bytes)?;
        self.known.insert(key, Arc::clone(&bytes));
        Ok(bytes)
    }

    /// Refuses a kernel with which a relocation depends on a type of an unknown kind: no loader that lacks the kind can
    /// read a BTF with it.
    fn check_kinds(&mut self, types: &Types, kernel: &KernelTypes) -> Result<(), MinimizeError> {
        let roots = self.evaluator.roots();
        for root in roots.ids() {
            for candidate in kernel.candidates(root) {
                let evaluation = self.evaluator.get(types, kernel.model, root, candidate.ty);
                for (id, query) in roots.root(root).query_ids() {
                    if let MatchResult::Failure(failure @ MatchFailure::UnknownKind(_)) =
                        evaluation.result(id)
                    {
                        let spec = &query.spec;
                        let relocation = format!("<{}> {}", spec.kind, describe_spec(roots.types(), spec));
                        return Err(MinimizeError::UnknownKind { relocation, failure });
                    }
                }
            }
        }
        Ok(())
    }
}
