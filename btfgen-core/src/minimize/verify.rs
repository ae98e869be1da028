//! Verification: the written bytes are read back, and every query is evaluated again against them.

use std::sync::Arc;

use super::error::{Difference, MinimizeError};
use crate::btf::Btf;
use crate::kernel::KernelTypes;
use crate::memo::Memo;
use crate::resolve::{
    Candidate, Evaluation, Evaluator, MatchResult, QueryId, Root, RootId, Roots, describe_spec, order_decides,
};
use crate::types::Types;

/// Verifies minimized BTFs; definitions that they share are evaluated once.
pub(super) struct Verifier<'r> {
    types: Types,
    evaluator: Evaluator<'r>,
}

/// The relevant candidates of one root.
type Matrix = Vec<Row>;

/// One relevant candidate.
#[derive(Clone)]
struct Row {
    evaluation: Arc<Evaluation>,
    /// Whether the BTF repeats it and a query reads type ids.
    repeated: bool,
}

impl Row {
    fn key(&self) -> (&[MatchResult], bool) {
        (&self.evaluation.results, self.repeated)
    }
}

impl<'r> Verifier<'r> {
    /// A verifier with a store of its own, so that the kernel's definitions cannot hide a difference.
    pub(super) fn new(roots: &'r Roots) -> Self {
        Self { types: roots.types().clone(), evaluator: Evaluator::new(roots) }
    }

    /// Compares, root by root, the results of all queries for all candidates.
    ///
    /// If each relevant candidate has a counterpart with the same results, libbpf's decisions are the same for every set
    /// of programs and every order of relocations: they are a function of these results.
    ///
    /// # Errors
    /// When the bytes are not a BTF, or when results differ.
    pub(super) fn verify(
        &mut self,
        full: &mut Evaluator<'r>,
        types: &Types,
        kernel: &KernelTypes,
        minimized: &[u8],
    ) -> Result<(), MinimizeError> {
        let roots = full.roots();
        let btf = Btf::parse(minimized)?;
        let again = KernelTypes::from_btf(&mut self.types, roots, &btf)?;
        for root in roots.ids() {
            let before = matrix(full, types, kernel, root);
            let after = matrix(&mut self.evaluator, &self.types, &again, root);
            // Pointer sizes are not compared: where one was read, the results depend on it; elsewhere it may be unknown.
            if !same(roots.root(root), &before, &after)
                || again.model.endian != kernel.model.endian && !before.is_empty()
            {
                return Err(MinimizeError::Difference(Box::new(difference(roots, root, &before, &after))));
            }
        }
        Ok(())
    }
}

fn matrix(evaluator: &mut Evaluator<'_>, types: &Types, kernel: &KernelTypes, root: RootId) -> Matrix {
    let reads_type_id = evaluator.roots().root(root).reads_type_id();
    let rows = kernel.candidates(root).iter().map(|candidate| Row {
        evaluation: evaluator.get(types, kernel.model, root, candidate.ty),
        repeated: candidate.repeated && reads_type_id,
    });
    let rows: Matrix = rows.filter(|row| row.evaluation.is_relevant()).collect();
    if rows.len() < 2 {
        return rows;
    }
    // Candidates with equal results count as one, which is repeated if ids are read.
    let mut indices: Memo<&[MatchResult], usize> = Memo::default();
    let mut distinct: Matrix = Vec::new();
    for row in &rows {
        match indices.get(row.evaluation.results.as_slice()) {
            Some(&index) => distinct[index].repeated |= reads_type_id,
            None => {
                indices.insert(&row.evaluation.results, distinct.len());
                distinct.push(row.clone());
            }
        }
    }
    distinct
}

/// Whether the rows are equal; their order counts only if it affects a decision.
fn same(root: &Root, before: &Matrix, after: &Matrix) -> bool {
    if before.iter().map(Row::key).eq(after.iter().map(Row::key)) {
        return true;
    }
    let sorted = |matrix: &Matrix| {
        let mut rows = matrix.clone();
        rows.sort_by(|a, b| a.key().cmp(&b.key()));
        rows
    };
    let order_matters = root.query_ids().any(|(id, query)| {
        let column =
            before.iter().map(|row| Candidate { result: row.evaluation.result(id), repeated: row.repeated });
        order_decides(query.spec.kind, column)
    });
    !order_matters && sorted(before).iter().map(Row::key).eq(sorted(after).iter().map(Row::key))
}

fn difference(roots: &Roots, root: RootId, before: &Matrix, after: &Matrix) -> Difference {
    let column = |matrix: &Matrix, query: QueryId| -> Vec<MatchResult> {
        let results = matrix.iter().map(|row| row.evaluation.result(query));
        results.filter(|result| *result != MatchResult::NoMatch).collect()
    };
    let mut ids = roots.root(root).query_ids().map(|(id, _)| id);
    // If all columns are equal, rows differ in their combination or order, and any query is an example.
    let id = ids.find(|&id| column(before, id) != column(after, id)).unwrap_or(QueryId::new(0));
    let spec = &roots.root(root).queries[id.index()].spec;
    Difference {
        relocation: format!("<{}> {}", spec.kind, describe_spec(roots.types(), spec)),
        full: column(before, id),
        minimized: column(after, id),
    }
}
