//! Effects: what libbpf does to instructions for the relocations of one group on one kernel, independent of the code around them.

use std::sync::Arc;

use super::layout::{Group, GroupIndex, GroupQueryId, Site, Use};
use crate::kernel::KernelTypes;
use crate::memo::{Distinct, Id, ids};
use crate::resolve::{Candidate, Evaluator, Outcome, decide, explain_mismatch};
use crate::types::{TypeRef, Types};

/// What libbpf does with the relocations of a query.
enum Resolution {
    /// Gives the instruction this value.
    Value(u64),
    /// As `Value`, but makes a load or store invalid: it cannot be resized, since the field is `size` bytes in the kernel
    /// and not a pointer or unsigned integer on both sides.
    FixedSize { value: u64, size: u32 },
    /// Makes the instruction invalid, for this reason.
    Poison(Arc<str>),
    /// Refuses the object, for this reason.
    Refuse(Arc<str>),
}

/// What a relocation does to its instruction, where that matters for a diagnosis.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Effect {
    /// Sets a value that a branch can depend on.
    Value(u64),
    /// Makes it invalid, for this reason.
    Poison(Arc<str>),
    /// None: libbpf refuses the object, for this reason.
    Refuse(Arc<str>),
}

ids! {
    /// An effect, among the distinct ones of a thread.
    EffectId;
}

/// The effects of a group's relocations on one kernel.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Effects {
    /// In the order of their starts; empty if no relocation has an effect.
    rounds: Vec<Round>,
}

/// Effects until libbpf prunes candidates, which it does if only some of them give a value.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Round {
    /// The first relocation of the round.
    start: GroupIndex,
    /// By [`UseId`](super::layout::UseId).
    effects: Vec<Option<EffectId>>,
}

impl Effects {
    /// Decides a group's relocations on one kernel in the order of libbpf; `distinct` stores the effects.
    pub(super) fn new(
        distinct: &mut Distinct<EffectId, Effect>,
        group: &Group,
        evaluator: &mut Evaluator<'_>,
        types: &Types,
        kernel: &KernelTypes,
    ) -> Self {
        let candidates = kernel.candidates(group.root);
        let evaluations: Vec<_> =
            candidates.iter().map(|it| evaluator.get(types, kernel.model, group.root, it.ty)).collect();
        let definitions: Vec<TypeRef> = candidates.iter().map(|it| it.ty).collect();
        let queries = &evaluator.roots().root(group.root).queries;
        let mut survivors: Vec<usize> = (0..candidates.len()).collect();
        let mut row: Vec<Candidate> = Vec::with_capacity(candidates.len());
        let mut rounds = Vec::new();
        let mut resolutions = Resolutions::new(group, GroupIndex::new(0));
        for (index, &id) in group.relocations.iter().enumerate() {
            if resolutions.open == 0 {
                break;
            }
            if resolutions.by_query[id.index()].is_some() {
                continue;
            }
            let query = group.queries[id.index()];
            row.clear();
            row.extend(evaluations.iter().zip(candidates).map(|(evaluation, it)| Candidate {
                result: evaluation.result(query),
                repeated: it.repeated,
            }));
            let spec = &queries[query.index()].spec;
            let (outcome, left) = decide(spec.kind, &row, &survivors);
            if left != survivors {
                survivors = left;
                let next = Resolutions::new(group, GroupIndex::new(index));
                rounds.push(std::mem::replace(&mut resolutions, next).round(distinct, group));
            }
            resolutions.set(
                id,
                Resolution::new(outcome, || explain_mismatch(types, spec, kernel.model, &definitions)),
            );
        }
        rounds.push(resolutions.round(distinct, group));
        if rounds.iter().flat_map(|round| &round.effects).all(Option::is_none) {
            rounds.clear();
        }
        Self { rounds }
    }

    /// Whether no relocation has an effect that matters.
    pub(super) fn is_empty(&self) -> bool {
        self.rounds.is_empty()
    }

    /// The effect of a relocation of the group.
    pub(super) fn of(&self, site: &Site) -> Option<EffectId> {
        let round = self.rounds.iter().rfind(|round| round.start <= site.index)?;
        round.effects[site.usage.index()]
    }
}

/// The resolutions of a round.
struct Resolutions {
    start: GroupIndex,
    by_query: Vec<Option<Resolution>>,
    /// Number of queries without a resolution.
    open: usize,
}

impl Resolutions {
    fn new(group: &Group, start: GroupIndex) -> Self {
        let open = group.queries.len();
        Self { start, by_query: (0..open).map(|_| None).collect(), open }
    }

    fn set(&mut self, query: GroupQueryId, resolution: Resolution) {
        self.by_query[query.index()] = Some(resolution);
        self.open -= 1;
    }

    fn round(self, distinct: &mut Distinct<EffectId, Effect>, group: &Group) -> Round {
        let effect = |usage: &Use| {
            let effect = self.by_query[usage.query.index()].as_ref()?.effect(*usage)?;
            Some(distinct.id(effect))
        };
        Round { start: self.start, effects: group.uses.iter().map(effect).collect() }
    }
}

impl Resolution {
    /// `mismatch` says why no candidate matches.
    fn new(outcome: Outcome, mismatch: impl FnOnce() -> String) -> Self {
        match outcome {
            Outcome::Value(it) if it.misread => Self::FixedSize { value: it.value, size: it.size },
            Outcome::Value(it) => Self::Value(it.value),
            Outcome::Absent => Self::Value(0),
            Outcome::Poison => Self::Poison(mismatch().into()),
            Outcome::Ambiguous(a, b) => {
                let reason = if a.bit_offset != b.bit_offset {
                    let (a, b) = (a.bit_offset, b.bit_offset);
                    format!("ambiguous: types of that name have it at bit {a} and at bit {b}")
                } else if a.value != b.value {
                    format!("ambiguous: types of that name give {} and {}", a.value, b.value)
                } else {
                    "ambiguous: several types of that name have different ids".to_owned()
                };
                Self::Refuse(reason.into())
            }
            Outcome::Failure(cause) => Self::Refuse(cause.to_string().into()),
        }
    }

    /// The effect on the instructions of a use.
    fn effect(&self, usage: Use) -> Option<Effect> {
        match self {
            Self::FixedSize { size, .. } if usage.accesses_memory => {
                let reason = format!(
                    "the field is {size} bytes in the kernel and not a pointer or unsigned integer on both sides, \
                     so the load cannot be resized"
                );
                Some(Effect::Poison(reason.into()))
            }
            Self::Value(value) | Self::FixedSize { value, .. } => {
                usage.affects_branch.then_some(Effect::Value(*value))
            }
            Self::Poison(reason) => Some(Effect::Poison(Arc::clone(reason))),
            Self::Refuse(reason) => Some(Effect::Refuse(Arc::clone(reason))),
        }
    }
}
