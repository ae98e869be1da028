//! Verification: the bytes written are read back, and every question is answered anew against them.

use std::fmt;
use std::sync::Arc;

use super::MinimizeError;
use crate::btf::Btf;
use crate::kernel::KernelTypes;
use crate::memo::Memo;
use crate::resolve::{Answer, Answers, Candidate, Evaluation, describe_spec, order_decides};
use crate::resolve::{Root, Roots};
use crate::types::Types;

/// A relocation that resolves otherwise against the minimized BTF than against the kernel's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The relocation's kind and spec.
    pub relocation: String,
    /// The answers of the kernel's candidates, those that match nothing left out.
    pub full: Vec<Answer>,
    /// The answers of the minimized BTF's.
    pub minimized: Vec<Answer>,
}

/// Verifies minimized BTFs; definitions that they share are resolved once.
pub struct Verifier<'r> {
    types: Types,
    answers: Answers<'r>,
}

/// The candidates of one root that take part: the answers of each, and whether there are copies of it.
type Matrix = Vec<(Arc<Evaluation>, bool)>;

impl<'r> Verifier<'r> {
    /// A verifier with a store of its own, so that nothing of the kernel's can help the minimized BTF.
    pub fn new(roots: &'r Roots) -> Self {
        Self { types: roots.types().clone(), answers: Answers::new(roots) }
    }

    /// Compares, root by root, what all candidates answer to all questions.
    ///
    /// If each candidate that takes part has a counterpart with the same answers, libbpf's results are the same for
    /// every set of programs and every order of relocations: they are a function of these answers.
    ///
    /// # Errors
    /// When the bytes are no BTF; the inner result tells of a difference.
    pub fn verify(
        &mut self,
        full: &mut Answers<'r>,
        types: &Types,
        kernel: &KernelTypes,
        minimized: &[u8],
    ) -> Result<Result<(), Difference>, MinimizeError> {
        let roots = full.roots();
        let btf = Btf::parse(minimized)?;
        let again = KernelTypes::from_btf(&mut self.types, roots, &btf)?;
        for root in 0..roots.roots().len() {
            let asks_for_id = roots.roots()[root].asks_for_id();
            let before = matrix(full, types, kernel, root, asks_for_id);
            let after = matrix(&mut self.answers, &self.types, &again, root, asks_for_id);
            // A pointer's size cannot be told where none was read; where one was, the answers tell.
            if !same(&roots.roots()[root], &before, &after)
                || again.model.endian != kernel.model.endian && !before.is_empty()
            {
                return Ok(Err(difference(roots, root, &before, &after)));
            }
        }
        Ok(Ok(()))
    }
}

fn matrix(
    answers: &mut Answers<'_>,
    types: &Types,
    kernel: &KernelTypes,
    root: usize,
    asks_for_id: bool,
) -> Matrix {
    let evaluations = kernel.candidates[root].iter().map(|candidate| {
        let evaluation = answers.get(types, kernel.model, root, candidate.ty);
        (evaluation, candidate.repeated && asks_for_id)
    });
    let rows: Matrix = evaluations.filter(|(evaluation, _)| evaluation.takes_part()).collect();
    if rows.len() < 2 {
        return rows;
    }
    let mut places: Memo<&[Answer], usize> = Memo::default();
    let mut distinct: Matrix = Vec::new();
    for (evaluation, repeated) in &rows {
        match places.get(evaluation.answers.as_slice()) {
            Some(&place) => distinct[place].1 |= asks_for_id,
            None => {
                places.insert(&evaluation.answers, distinct.len());
                distinct.push((Arc::clone(evaluation), *repeated));
            }
        }
    }
    distinct
}

/// Equal up to order, and in order too where it decides a question.
fn same(root: &Root, before: &Matrix, after: &Matrix) -> bool {
    fn answers((evaluation, repeated): &(Arc<Evaluation>, bool)) -> (&[Answer], bool) {
        (&evaluation.answers, *repeated)
    }
    if before.iter().map(answers).eq(after.iter().map(answers)) {
        return true;
    }
    let sorted = |matrix: &Matrix| {
        let mut rows = matrix.clone();
        rows.sort_by(|a, b| answers(a).cmp(&answers(b)));
        rows
    };
    let order_counts = root.questions.iter().enumerate().any(|(number, question)| {
        let column = before.iter().map(|(evaluation, repeated)| Candidate {
            answer: evaluation.answers[number],
            repeated: *repeated,
        });
        order_decides(question.spec.kind, column)
    });
    !order_counts && sorted(before).iter().map(answers).eq(sorted(after).iter().map(answers))
}

fn difference(roots: &Roots, root: usize, before: &Matrix, after: &Matrix) -> Difference {
    let root = &roots.roots()[root];
    let column = |matrix: &Matrix, question: usize| -> Vec<Answer> {
        matrix
            .iter()
            .map(|(evaluation, _)| evaluation.answers[question])
            .filter(|answer| *answer != Answer::NoMatch)
            .collect()
    };
    let questions = 0..root.questions.len();
    let differs = |&question: &usize| column(before, question) != column(after, question);
    let question = questions.clone().find(differs).unwrap_or_default();
    let relocation = root.questions.get(question).map_or_else(String::new, |question| {
        format!("<{}> {}", question.spec.kind, describe_spec(roots.types(), &question.spec))
    });
    Difference { relocation, full: column(before, question), minimized: column(after, question) }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "relocation {}: {:?} in full, {:?} minimized", self.relocation, self.full, self.minimized)
    }
}
