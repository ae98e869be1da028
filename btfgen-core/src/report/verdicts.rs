//! Verdicts: what libbpf makes of each relocation of a set of objects on one kernel, whatever the objects' code.

use std::sync::Arc;

use crate::btf::DataModel;
use crate::kernel::{CandidateRef, KernelTypes};
use crate::memo::Memo;
use crate::object::Object;
use crate::resolve::{
    Candidate, Evaluator, Lookup, Outcome, QueryId, RootId, Roots, decide, explain_mismatch,
};
use crate::types::{TypeRef, Types};

/// Relocations of one object that share a local root type, and with it libbpf's list of candidates.
pub(crate) struct Group {
    root: RootId,
    /// The root's queries that they need, each once.
    queries: Vec<QueryId>,
    /// For each of them its query, by index in `queries`; in the order of the object.
    asked: Vec<u32>,
}

/// The groups of a set of objects, in the order of their first relocations.
pub(crate) struct Groups {
    groups: Vec<Group>,
    /// For each object and relocation where it stands, unless it needs no kernel or fails whatever the kernel.
    spots: Vec<Vec<Option<Spot>>>,
}

/// A relocation's group, and its place there.
#[derive(Clone, Copy)]
pub(crate) struct Spot {
    pub(crate) group: u32,
    pub(crate) place: u32,
}

/// What libbpf makes of relocations that ask the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    /// The instruction gets this value.
    Value(u64),
    /// Likewise, but the field has so many bytes there and is no pointer or unsigned integer on both sides, so that
    /// a plain load or store becomes an invalid instruction.
    Misread(u64, u32),
    /// The instruction is replaced by an invalid one, for this reason.
    Poison(Arc<str>),
    /// libbpf refuses the object, so that nothing is run.
    Refused(Arc<str>),
}

/// A group's verdicts for one list of candidates.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Resolution {
    pub(crate) rounds: Vec<Round>,
}

/// Verdicts up to where libbpf prunes candidates, which it does when only some of them give a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Round {
    /// The first of the group's relocations that it is for.
    pub(crate) start: u32,
    /// By the place of what is asked; none where that is not asked in this round.
    pub(crate) verdicts: Vec<Option<Verdict>>,
}

/// A kernel's verdicts, group by group.
pub(crate) type Verdicts = Arc<[Arc<Resolution>]>;

/// Works out verdicts kernel after kernel; what kernels have alike is worked on once.
pub(crate) struct Judge<'g> {
    groups: &'g Groups,
    known: Memo<(usize, DataModel, Vec<CandidateRef>), Arc<Resolution>>,
    /// Few lists of candidates are alike, but many of the verdicts that come of them.
    distinct: Memo<Arc<Resolution>, ()>,
}

impl Groups {
    /// Groups the relocations of all objects.
    pub(crate) fn new(objects: &[Object], roots: &Roots) -> Self {
        let (mut groups, mut spots) = (Vec::<Group>::new(), Vec::with_capacity(objects.len()));
        for lookups in roots.lookups().iter().take(objects.len()) {
            let mut by_type: Memo<crate::btf::TypeId, usize> = Memo::default();
            let mut by_query: Memo<(usize, QueryId), u32> = Memo::default();
            let mut own = Vec::with_capacity(lookups.len());
            for lookup in lookups {
                let Lookup::Target { root, query, local_type_id } = *lookup else {
                    own.push(None);
                    continue;
                };
                let group = *by_type.entry(local_type_id).or_insert_with(|| {
                    groups.push(Group { root, queries: Vec::new(), asked: Vec::new() });
                    groups.len() - 1
                });
                let Group { queries, asked, .. } = &mut groups[group];
                let query = *by_query.entry((group, query)).or_insert_with(|| {
                    queries.push(query);
                    queries.len() as u32 - 1
                });
                own.push(Some(Spot { group: group as u32, place: asked.len() as u32 }));
                asked.push(query);
            }
            spots.push(own);
        }
        Self { groups, spots }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.groups.len()
    }

    /// Where a relocation stands, unless it needs no kernel or fails whatever the kernel.
    pub(crate) fn spot(&self, object: usize, relocation: usize) -> Option<Spot> {
        self.spots[object][relocation]
    }

    /// What the relocation there asks, by its place among the group's queries.
    pub(crate) fn asked(&self, spot: Spot) -> u32 {
        self.groups[spot.group as usize].asked[spot.place as usize]
    }
}

impl<'g> Judge<'g> {
    /// Of relocations that are grouped so.
    pub(crate) fn new(groups: &'g Groups) -> Self {
        Self { groups, known: Memo::default(), distinct: Memo::default() }
    }

    /// The verdicts on a kernel.
    pub(crate) fn verdicts(
        &mut self,
        evaluator: &mut Evaluator<'_>,
        types: &Types,
        kernel: &KernelTypes,
    ) -> Verdicts {
        let mut verdicts = Vec::with_capacity(self.groups.len());
        for (number, group) in self.groups.groups.iter().enumerate() {
            let key = (number, kernel.model, kernel.candidates(group.root).to_vec());
            let resolution = self.known.entry(key).or_insert_with(|| {
                let resolution = Arc::new(group.resolve(evaluator, types, kernel));
                let entry = self.distinct.entry(resolution).insert_entry(());
                Arc::clone(entry.key())
            });
            verdicts.push(Arc::clone(resolution));
        }
        verdicts.into()
    }
}

impl Group {
    /// Takes libbpf's way through one list of candidates, relocation after relocation.
    fn resolve(&self, evaluator: &mut Evaluator<'_>, types: &Types, kernel: &KernelTypes) -> Resolution {
        let candidates = kernel.candidates(self.root);
        let evaluations: Vec<_> =
            candidates.iter().map(|it| evaluator.get(types, kernel.model, self.root, it.ty)).collect();
        let definitions: Vec<TypeRef> = candidates.iter().map(|it| it.ty).collect();
        let root = evaluator.roots().root(self.root);
        let mut survivors: Vec<usize> = (0..candidates.len()).collect();
        let mut row: Vec<Candidate> = Vec::with_capacity(candidates.len());
        let round = |start| Round { start, verdicts: vec![None; self.queries.len()] };
        let (mut rounds, mut current, mut open) = (Vec::new(), round(0), self.queries.len());
        for (place, &asked) in self.asked.iter().enumerate() {
            if open == 0 {
                break;
            }
            if current.verdicts[asked as usize].is_some() {
                continue;
            }
            let query = self.queries[asked as usize];
            row.clear();
            row.extend(evaluations.iter().zip(candidates).map(|(evaluation, it)| Candidate {
                result: evaluation.result(query),
                repeated: it.repeated,
            }));
            let spec = &root.queries[query.index()].spec;
            let (outcome, left) = decide(spec.kind, &row, &survivors);
            if left != survivors {
                survivors = left;
                rounds.push(std::mem::replace(&mut current, round(place as u32)));
                open = self.queries.len();
            }
            let absent = || explain_mismatch(types, spec, kernel.model, &definitions);
            current.verdicts[asked as usize] = Some(Verdict::of(outcome, absent));
            open -= 1;
        }
        rounds.push(current);
        Resolution { rounds }
    }
}

impl Verdict {
    /// `mismatch` says why no candidate matches.
    fn of(outcome: Outcome, mismatch: impl FnOnce() -> String) -> Self {
        match outcome {
            Outcome::Value(resolved) if resolved.misread => Self::Misread(resolved.value, resolved.size),
            Outcome::Value(resolved) => Self::Value(resolved.value),
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
                Self::Refused(reason.into())
            }
            Outcome::Failure(cause) => Self::Refused(cause.to_string().into()),
        }
    }
}

impl Resolution {
    /// The verdict on the relocation at a place of the group, which asks that.
    pub(crate) fn verdict(&self, place: u32, asked: u32) -> Option<&Verdict> {
        let round = self.rounds.iter().rev().find(|round| round.start <= place)?;
        round.verdicts[asked as usize].as_ref()
    }
}
