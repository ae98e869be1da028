//! Footprint: the relevant candidates of one kernel, and the parts of them that were read.

use std::collections::{BTreeMap, HashSet};

use super::error::MinimizeError;
use crate::btf::shown_name;
use crate::kernel::{CandidateRef, KernelTypes};
use crate::memo::Memo;
use crate::resolve::{Candidate, Evaluator, MatchResult, Reads, RootId, order_decides};
use crate::types::{Name, Type, TypeRef, Types};

/// The parts of a kernel's types that its minimized BTF must contain.
#[derive(Debug, Clone)]
pub(super) struct Footprint {
    /// Kept candidates and `long`.
    pub(super) roots: BTreeMap<TypeRef, Copies>,
    /// Lists of candidates whose order of ids affects a decision, in that order.
    pub(super) ordered: Vec<Vec<TypeRef>>,
    /// The parts that were read.
    pub(super) reads: Reads,
}

/// How often a kept candidate occurs in a BTF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Copies {
    /// 1, or 2 for any larger number.
    pub(super) count: usize,
    /// Whether a relocation reads its id, so that copies make the relocation ambiguous.
    pub(super) by_id: bool,
}

/// The relevant candidates of one root.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Kept {
    root: RootId,
    candidates: Vec<CandidateRef>,
    /// Whether the candidates are in the order of their ids, since that affects a decision. Otherwise they are in the order
    /// of content.
    ordered: bool,
}

/// The relevant candidates of each root that has any.
pub(super) fn kept(evaluator: &mut Evaluator<'_>, types: &Types, kernel: &KernelTypes) -> Vec<Kept> {
    let mut kept = Vec::new();
    for root in evaluator.roots().ids() {
        let mut list: Vec<CandidateRef> = kernel
            .candidates(root)
            .iter()
            .copied()
            .filter(|candidate| evaluator.get(types, kernel.model, root, candidate.ty).is_relevant())
            .collect();
        if list.is_empty() {
            continue;
        }
        let reads_type_id = evaluator.roots().root(root).reads_type_id();
        list.iter_mut().for_each(|candidate| candidate.repeated &= reads_type_id);
        let ordered = list.len() > 1 && order_matters(evaluator, types, kernel, root, &list);
        if !ordered {
            list.sort_by(|a, b| types.compare(a.ty, b.ty));
        }
        kept.push(Kept { root, candidates: list, ordered });
    }
    kept
}

/// Whether libbpf's decision on any query depends on the order of the candidates.
fn order_matters(
    evaluator: &mut Evaluator<'_>,
    types: &Types,
    kernel: &KernelTypes,
    root: RootId,
    list: &[CandidateRef],
) -> bool {
    let evaluations: Vec<_> =
        list.iter().map(|candidate| evaluator.get(types, kernel.model, root, candidate.ty)).collect();
    evaluator.roots().root(root).query_ids().any(|(id, query)| {
        let candidates = evaluations
            .iter()
            .zip(list)
            .map(|(evaluation, it)| Candidate { result: evaluation.result(id), repeated: it.repeated });
        order_decides(query.spec.kind, candidates)
    })
}

impl Footprint {
    /// Collects the reads of the kept candidates, and of other definitions that they contain by name.
    ///
    /// # Errors
    /// When a contained definition must be written by its name, but would act as a second candidate.
    pub(super) fn new(
        evaluator: &mut Evaluator<'_>,
        types: &Types,
        kernel: &KernelTypes,
        kept: &[Kept],
    ) -> Result<Self, MinimizeError> {
        let mut footprint = Self { roots: BTreeMap::new(), ordered: Vec::new(), reads: Reads::default() };
        let roots = evaluator.roots();
        for Kept { root, candidates, ordered } in kept {
            for candidate in candidates {
                let evaluation = evaluator.get(types, kernel.model, *root, candidate.ty);
                footprint.reads.merge(&evaluation.reads);
                let count = if candidate.repeated { 2 } else { 1 };
                let by_id = roots.root(*root).reads_type_id();
                footprint.reads.name(candidate.ty);
                footprint.roots.insert(candidate.ty, Copies { count, by_id });
            }
            if *ordered {
                footprint.ordered.push(candidates.iter().map(|candidate| candidate.ty).collect());
            }
        }
        footprint.close(evaluator, types, kernel)?;
        Ok(footprint)
    }

    /// Adds the reads of candidates that are not relevant themselves, but are contained, by name, in relevant ones.
    ///
    /// In the kernel they match no query. Reduced to what *another* relocation read they might: a pointer whose target was
    /// not read becomes a pointer to void. So the parts that made them fail must be kept.
    ///
    /// A module's definition may be contained by name and be no candidate, since the kernel has one of its name. In one BTF
    /// it becomes one, which has no effect if its results are those of one of the kernel's.
    fn close(
        &mut self,
        evaluator: &mut Evaluator<'_>,
        types: &Types,
        kernel: &KernelTypes,
    ) -> Result<(), MinimizeError> {
        let roots = evaluator.roots();
        let mut seen = Memo::default();
        let mut results: Memo<RootId, HashSet<Vec<MatchResult>>> = Memo::default();
        let mut named: Vec<TypeRef> = self.reads.named().collect();
        loop {
            while let Some(ty) = named.pop() {
                if types.name_of(ty) == Name::EMPTY || seen.insert(ty, ()).is_some() {
                    continue;
                }
                let Some(root) = roots.root_of_definition(types, ty) else { continue };
                let evaluation = evaluator.get(types, kernel.model, root, ty);
                // Relevant candidates are in `roots`, so this one is no candidate.
                if evaluation.is_relevant() && !self.roots.contains_key(&ty) {
                    let known =
                        results.entry(root).or_insert_with(|| all_results(evaluator, types, kernel, root));
                    if roots.root(root).reads_type_id() || !known.contains(&evaluation.results) {
                        let name = shown_name(types.names().get(types.name_of(ty))).into_owned();
                        return Err(MinimizeError::TwoDefinitions { name });
                    }
                }
                self.reads.merge(&evaluation.reads);
                named.extend(evaluation.reads.named());
            }
            match kernel.long.filter(|long| !self.roots.contains_key(long) && self.pointer_is_read(types)) {
                Some(long) => {
                    self.reads.name(long);
                    self.roots.insert(long, Copies { count: 1, by_id: false });
                    named.push(long);
                }
                None => return Ok(()),
            }
        }
    }

    fn pointer_is_read(&self, types: &Types) -> bool {
        self.reads.iter().any(|(ty, reads)| reads.size && matches!(types.get(ty), Type::Ptr { .. }))
    }
}

/// The results of all candidates of a root.
fn all_results(
    evaluator: &mut Evaluator<'_>,
    types: &Types,
    kernel: &KernelTypes,
    root: RootId,
) -> HashSet<Vec<MatchResult>> {
    let candidates = kernel.candidates(root).iter();
    candidates.map(|it| evaluator.get(types, kernel.model, root, it.ty).results.clone()).collect()
}
