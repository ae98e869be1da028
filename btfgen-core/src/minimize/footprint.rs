//! Footprint: the candidates of one kernel that take part in a decision, and all that was read of them.

use std::collections::BTreeMap;

use super::Answers;
use crate::kernel::{CandidateRef, KernelTypes};
use crate::memo::Memo;
use crate::resolve::Roots;
use crate::resolve::{Candidate, Reads, order_decides};
use crate::types::{Name, Type, TypeRef, Types};

/// What of a kernel's types its minimized BTF must hold.
#[derive(Debug, Clone)]
pub struct Footprint {
    /// Kept candidates and `long`.
    pub roots: BTreeMap<TypeRef, Copies>,
    /// Candidates of one root whose order of ids decides something, in that order.
    pub ordered: Vec<Vec<TypeRef>>,
    /// What was read.
    pub reads: Reads,
}

/// How often a kept candidate stands in a BTF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copies {
    /// 1, or 2 for any number above.
    pub count: usize,
    /// Whether a relocation asks for its id, so that copies make it ambiguous.
    pub by_id: bool,
}

/// For each root with any, the candidates that take part in a decision, in the order of their ids where it matters.
pub(super) fn kept(
    answers: &mut Answers<'_>,
    types: &Types,
    kernel: &KernelTypes,
) -> Vec<(usize, Vec<CandidateRef>)> {
    let mut kept = Vec::new();
    for (root, candidates) in kernel.candidates.iter().enumerate() {
        let mut list: Vec<CandidateRef> = candidates
            .iter()
            .copied()
            .filter(|candidate| answers.get(types, kernel.model, root, candidate.ty).takes_part())
            .collect();
        if list.is_empty() {
            continue;
        }
        let asks_for_id = answers.roots().roots()[root].asks_for_id();
        list.iter_mut().for_each(|candidate| candidate.repeated &= asks_for_id);
        if list.len() > 1 && !order_matters(answers, types, kernel, root, &list) {
            list.sort_by(|a, b| types.compare(a.ty, b.ty));
        }
        kept.push((root, list));
    }
    kept
}

/// Whether libbpf's result for any question hangs on which candidate it meets first.
fn order_matters(
    answers: &mut Answers<'_>,
    types: &Types,
    kernel: &KernelTypes,
    root: usize,
    list: &[CandidateRef],
) -> bool {
    let evaluations: Vec<_> =
        list.iter().map(|candidate| answers.get(types, kernel.model, root, candidate.ty)).collect();
    let questions = &answers.roots().roots()[root].questions;
    questions.iter().enumerate().any(|(number, question)| {
        let candidates = evaluations
            .iter()
            .zip(list)
            .map(|(evaluation, it)| Candidate { answer: evaluation.answers[number], repeated: it.repeated });
        order_decides(question.spec.kind, candidates)
    })
}

impl Footprint {
    /// Collects what was read of the kept candidates, and of further ones that come along by their names.
    pub(super) fn new(
        roots: &Roots,
        answers: &mut Answers<'_>,
        types: &Types,
        kernel: &KernelTypes,
        kept: &[(usize, Vec<CandidateRef>)],
    ) -> Self {
        let mut footprint = Self { roots: BTreeMap::new(), ordered: Vec::new(), reads: Reads::default() };
        for (root, list) in kept {
            for candidate in list {
                let evaluation = answers.get(types, kernel.model, *root, candidate.ty);
                footprint.reads.merge(&evaluation.reads);
                let count = if candidate.repeated { 2 } else { 1 };
                let by_id = roots.roots()[*root].asks_for_id();
                footprint.reads.name(candidate.ty);
                footprint.roots.insert(candidate.ty, Copies { count, by_id });
            }
            if list.len() > 1 && order_matters(answers, types, kernel, *root, list) {
                footprint.ordered.push(list.iter().map(|candidate| candidate.ty).collect());
            }
        }
        footprint.close(roots, answers, types, kernel);
        footprint
    }

    /// Adds what was read of candidates that take part in nothing but are contained, by name, in those that do.
    ///
    /// In the kernel they match no question. Cut down to what *another* relocation read they might (a pointer whose
    /// target nobody read becomes a pointer to void), so what made them fail has to stay.
    fn close(&mut self, roots: &Roots, answers: &mut Answers<'_>, types: &Types, kernel: &KernelTypes) {
        let mut seen = Memo::default();
        let mut named: Vec<TypeRef> = self.reads.named().collect();
        loop {
            while let Some(ty) = named.pop() {
                if types.name_of(ty) == Name::EMPTY || seen.insert(ty, ()).is_some() {
                    continue;
                }
                let Some(root) = roots.root_of_definition(types, ty) else { continue };
                let evaluation = answers.get(types, kernel.model, root, ty);
                self.reads.merge(&evaluation.reads);
                named.extend(evaluation.reads.named());
            }
            match kernel.long.filter(|long| !self.roots.contains_key(long) && self.pointer_is_read(types)) {
                Some(long) => {
                    self.reads.name(long);
                    self.roots.insert(long, Copies { count: 1, by_id: false });
                    named.push(long);
                }
                None => return,
            }
        }
    }

    fn pointer_is_read(&self, types: &Types) -> bool {
        self.reads.iter().any(|(ty, reads)| reads.size && matches!(types.get(ty), Type::Ptr { .. }))
    }
}
