//! Evaluator: all queries of a root evaluated for a candidate, once for all kernels that have it.

use std::sync::Arc;

use super::evaluate::{MatchResult, evaluate};
use super::reads::Reads;
use super::roots::{QueryId, RootId, Roots};
use crate::btf::DataModel;
use crate::memo::Memo;
use crate::types::{TypeRef, Types};

/// The results of a root's queries for one candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// By [`QueryId`].
    pub results: Vec<MatchResult>,
    /// The parts of the candidate that were read for all of them.
    pub reads: Reads,
}

impl Evaluation {
    /// The result of one query.
    pub fn result(&self, query: QueryId) -> MatchResult {
        self.results[query.index()]
    }

    /// Whether the candidate can affect libbpf's result. One that matches no query never does: libbpf skips it.
    pub fn is_relevant(&self) -> bool {
        self.results.iter().any(|&result| result != MatchResult::NoMatch)
    }
}

/// Evaluates candidates whose definitions are in one store, each once.
pub struct Evaluator<'r> {
    roots: &'r Roots,
    known: Memo<(RootId, TypeRef, DataModel), Arc<Evaluation>>,
}

impl<'r> Evaluator<'r> {
    /// An evaluator of the queries of these roots.
    pub fn new(roots: &'r Roots) -> Self {
        Self { roots, known: Memo::default() }
    }

    /// The roots.
    pub fn roots(&self) -> &'r Roots {
        self.roots
    }

    /// The results of a root's queries for a candidate of a kernel with that data model.
    pub fn get(
        &mut self,
        types: &Types,
        model: DataModel,
        root: RootId,
        candidate: TypeRef,
    ) -> Arc<Evaluation> {
        let roots = self.roots;
        let entry = self.known.entry((root, candidate, model)).or_insert_with(|| {
            let mut reads = Reads::default();
            let queries = roots.root(root).queries.iter();
            let results = queries
                .map(|query| evaluate(types, &mut reads, query.model, &query.spec, model, candidate))
                .collect();
            Arc::new(Evaluation { results, reads })
        });
        Arc::clone(entry)
    }
}
