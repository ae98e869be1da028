//! Answers: every question of a root for one candidate, worked out once however many kernels hold the candidate.

use std::sync::Arc;

use super::{Answer, Reads, Roots, evaluate};
use crate::btf::DataModel;
use crate::memo::Memo;
use crate::types::{TypeRef, Types};

/// All answers of one root's questions for one candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// An answer a question.
    pub answers: Vec<Answer>,
    /// What was read of the candidate for all of them.
    pub reads: Reads,
}

impl Evaluation {
    /// Whether the candidate takes part in any decision; one that matches nothing is never missed.
    pub fn takes_part(&self) -> bool {
        self.answers.iter().any(|&answer| answer != Answer::NoMatch)
    }
}

/// A memo of evaluations over one store of definitions.
pub struct Answers<'r> {
    roots: &'r Roots,
    known: Memo<(usize, TypeRef, DataModel), Arc<Evaluation>>,
}

impl<'r> Answers<'r> {
    /// An empty memo.
    pub fn new(roots: &'r Roots) -> Self {
        Self { roots, known: Memo::default() }
    }

    /// The roots whose questions are answered.
    pub fn roots(&self) -> &'r Roots {
        self.roots
    }

    /// The evaluation of a root's questions for a candidate of a kernel with that data model.
    pub fn get(
        &mut self,
        types: &Types,
        model: DataModel,
        root: usize,
        candidate: TypeRef,
    ) -> Arc<Evaluation> {
        let roots = self.roots;
        let entry = self.known.entry((root, candidate, model)).or_insert_with(|| {
            let mut reads = Reads::default();
            let questions = roots.roots().get(root).map_or(&[][..], |root| root.questions.as_slice());
            let answers = questions
                .iter()
                .map(|question| evaluate(types, &mut reads, question.model, &question.spec, model, candidate))
                .collect();
            Arc::new(Evaluation { answers, reads })
        });
        Arc::clone(entry)
    }
}
