//! Verdicts: what libbpf makes of each relocation of a set of objects on one kernel, whatever the objects' code.

use std::sync::Arc;

use crate::btf::DataModel;
use crate::kernel::{CandidateRef, KernelTypes};
use crate::memo::Memo;
use crate::object::Object;
use crate::resolve::Answers;
use crate::resolve::{Candidate, Outcome, decide, explain_mismatch};
use crate::resolve::{Place, Roots};
use crate::types::{TypeRef, Types};

/// Relocations of one object that share a local root type, and with it libbpf's list of candidates.
pub(crate) struct Group {
    root: usize,
    /// The root's questions that they ask, each once.
    questions: Vec<usize>,
    /// What each of them asks, by its place in `questions`; in the order of the object.
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
        for (object, places) in objects.iter().zip(roots.places()) {
            let mut by_type: Memo<u32, usize> = Memo::default();
            let mut by_question: Memo<(usize, usize), u32> = Memo::default();
            // Few of them ask something new.
            let mut asks: Vec<Option<(usize, u32)>> = Vec::with_capacity(places.len());
            for place in places {
                let Place::Root { root, question, local } = *place else {
                    asks.push(None);
                    continue;
                };
                let group = *by_type.entry(local).or_insert_with(|| {
                    groups.push(Group { root, questions: Vec::new(), asked: Vec::new() });
                    groups.len() - 1
                });
                let questions = &mut groups[group].questions;
                let question = *by_question.entry((group, question)).or_insert_with(|| {
                    questions.push(question);
                    questions.len() as u32 - 1
                });
                asks.push(Some((group, question)));
            }
            let groups = groups.as_mut_slice();
            let mut own = Vec::with_capacity(object.asked().len());
            for &it in object.asked() {
                let Some((group, question)) = asks[it as usize] else {
                    own.push(None);
                    continue;
                };
                let asked = &mut groups[group].asked;
                own.push(Some(Spot { group: group as u32, place: asked.len() as u32 }));
                asked.push(question);
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

    /// What the relocation there asks, by its place among the group's questions.
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
        answers: &mut Answers<'_>,
        types: &Types,
        kernel: &KernelTypes,
    ) -> Verdicts {
        let mut verdicts = Vec::with_capacity(self.groups.len());
        for (number, group) in self.groups.groups.iter().enumerate() {
            let key = (number, kernel.model, kernel.candidates[group.root].clone());
            let resolution = self.known.entry(key).or_insert_with(|| {
                let resolution = Arc::new(group.resolve(answers, types, kernel));
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
    fn resolve(&self, answers: &mut Answers<'_>, types: &Types, kernel: &KernelTypes) -> Resolution {
        let candidates = &kernel.candidates[self.root];
        let evaluations: Vec<_> =
            candidates.iter().map(|it| answers.get(types, kernel.model, self.root, it.ty)).collect();
        let definitions: Vec<TypeRef> = candidates.iter().map(|it| it.ty).collect();
        let questions = &answers.roots().roots()[self.root].questions;
        let mut survivors: Vec<usize> = (0..candidates.len()).collect();
        let mut row: Vec<Candidate> = Vec::with_capacity(candidates.len());
        let round = |start| Round { start, verdicts: vec![None; self.questions.len()] };
        let (mut rounds, mut current, mut open) = (Vec::new(), round(0), self.questions.len());
        for (place, &asked) in self.asked.iter().enumerate() {
            if open == 0 {
                break;
            }
            if current.verdicts[asked as usize].is_some() {
                continue;
            }
            let question = self.questions[asked as usize];
            row.clear();
            row.extend(evaluations.iter().zip(candidates).map(|(evaluation, it)| Candidate {
                answer: evaluation.answers[question],
                repeated: it.repeated,
            }));
            let spec = &questions[question].spec;
            let (outcome, left) = decide(spec.kind, &row, &survivors);
            if left != survivors {
                survivors = left;
                rounds.push(std::mem::replace(&mut current, round(place as u32)));
                open = self.questions.len();
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
