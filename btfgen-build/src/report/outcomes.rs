//! Outcomes: libbpf's verdict on each relocation of an object for one kernel, when the whole object is loaded.

use std::sync::Arc;

use super::layout::{Asked, Group, Layout, Member};
use crate::btf::DataModel;
use crate::kernel::{CandidateRef, KernelTypes};
use crate::memo::Memo;
use crate::minimize::Answers;
use crate::object::Patch;
use crate::resolve::{Candidate, Outcome, decide, explain_mismatch};
use crate::types::{TypeRef, Types};

/// A relocation that does not get a value from a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// The object, by its place.
    pub object: usize,
    /// The relocation, by its place in the object.
    pub relocation: usize,
    /// Whether it is so whatever the code: it finds nothing or fails, and is not a load that would misread a field.
    pub lasting: bool,
    /// Why, in words.
    pub reason: Arc<str>,
    /// Whether its instruction can be run, as far as this kernel's existence checks do not rule it out.
    pub reached: bool,
}

/// What becomes of relocations that ask the same.
struct Verdict {
    /// What they make of their instructions.
    patch: Option<Patch>,
    /// Why they get no value.
    failure: Option<Failure>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Failure {
    lasting: bool,
    /// Whether libbpf refuses the object, so that nothing is run.
    refused: bool,
    reason: Arc<str>,
}

/// A group's verdicts up to where libbpf prunes candidates, which it does when only some of them give a value.
struct Round {
    /// The first of the group's relocations that it is for.
    start: usize,
    /// By what is asked; none where that is not asked in this round.
    verdicts: Vec<Option<Verdict>>,
}

/// A group's rounds for one list of candidates.
struct Resolution {
    number: usize,
    rounds: Vec<Round>,
    /// The number of the list of what fails.
    failing: usize,
}

/// What fails in a round.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Failing {
    group: usize,
    /// The round's first relocation, and the next one's.
    start: usize,
    end: usize,
    asked: usize,
    failure: Failure,
}

/// The relocations of all groups that fail.
struct Failed {
    /// In the order of the objects.
    relocations: Vec<FailedRelocation>,
    poisoned: Vec<Arc<Poisoned>>,
}

/// A section's instructions that are poisoned.
#[derive(PartialEq, Eq, Hash)]
struct Poisoned {
    section: usize,
    insns: Vec<usize>,
}

struct FailedRelocation {
    object: usize,
    relocation: usize,
    failure: Failure,
    /// If it is poisoned: where its section stands in `poisoned`, and its instruction.
    poisoned: Option<(usize, usize)>,
}

/// Works out outcomes kernel after kernel; what kernels have alike is worked on once.
///
/// Few kernels have a list of candidates alike, but many the failures that come of it and the values that branches
/// hang on; all that is said of relocations is said of these.
pub struct Outcomes<'l> {
    layout: &'l Layout<'l>,
    resolutions: Memo<(usize, DataModel, Vec<CandidateRef>), Arc<Resolution>>,
    /// How many there are.
    resolved: usize,
    /// Lists of what fails, each once, with their numbers.
    failing: Vec<Arc<[Failing]>>,
    failing_numbers: Memo<Arc<[Failing]>, usize>,
    /// By the numbers of the lists that are not empty; with a number.
    failed: Memo<Vec<usize>, (usize, Arc<Failed>)>,
    /// Which instructions of a section can be run, by those that are poisoned and what decides of the others; with a
    /// number.
    reached: Memo<(Arc<Poisoned>, Vec<Decision>), Reached>,
    /// By the numbers of what fails and of what is reached of each section with poisoned instructions.
    unresolved: Memo<(usize, Vec<usize>), Arc<[Unresolved]>>,
}

/// Which instructions of a section can be run, with the number of that finding.
type Reached = (usize, Arc<[bool]>);

/// What relocations that ask the same make of instructions that branches hang on.
#[derive(PartialEq, Eq, Hash)]
enum Decision {
    Patch(Option<Patch>),
    /// Not all the same: the resolution's number.
    Pruned(usize),
}

impl<'l> Outcomes<'l> {
    /// Outcomes of relocations that lie so.
    pub fn new(layout: &'l Layout<'l>) -> Self {
        Self {
            layout,
            resolutions: Memo::default(),
            resolved: 0,
            failing: Vec::new(),
            failing_numbers: Memo::default(),
            failed: Memo::default(),
            reached: Memo::default(),
            unresolved: Memo::default(),
        }
    }

    /// The relocations that get no value from a kernel: poisoned ones and those that fail, in the order of the objects.
    pub fn unresolved(
        &mut self,
        answers: &mut Answers<'_>,
        types: &Types,
        kernel: &KernelTypes,
    ) -> Arc<[Unresolved]> {
        let resolutions = self.resolutions(answers, types, kernel);
        let lists: Vec<usize> = resolutions.iter().map(|it| it.failing).collect();
        let lists: Vec<usize> = lists.into_iter().filter(|&list| !self.failing[list].is_empty()).collect();
        if lists.is_empty() {
            return Arc::default();
        }
        let (number, failed) = self.failed(lists);
        let reached: Vec<Reached> =
            failed.poisoned.iter().map(|poisoned| self.reached(poisoned, &resolutions)).collect();
        let key = (number, reached.iter().map(|(number, _)| *number).collect());
        let unresolved = self.unresolved.entry(key).or_insert_with(|| failed.unresolved(&reached));
        Arc::clone(unresolved)
    }

    fn resolutions(
        &mut self,
        answers: &mut Answers<'_>,
        types: &Types,
        kernel: &KernelTypes,
    ) -> Vec<Arc<Resolution>> {
        let mut resolutions = Vec::with_capacity(self.layout.groups.len());
        for (number, group) in self.layout.groups.iter().enumerate() {
            let key = (number, kernel.model, kernel.candidates[group.root].clone());
            let resolution = self.resolutions.entry(key).or_insert_with(|| {
                let rounds = resolve(answers, types, kernel, group);
                self.resolved += 1;
                let failing: Arc<[Failing]> = failing(&rounds, number, group.relocations.len()).into();
                let next = self.failing.len();
                let failing = *self.failing_numbers.entry(failing).or_insert_with_key(|failing| {
                    self.failing.push(Arc::clone(failing));
                    next
                });
                Arc::new(Resolution { number: self.resolved, rounds, failing })
            });
            resolutions.push(Arc::clone(resolution));
        }
        resolutions
    }

    fn failed(&mut self, lists: Vec<usize>) -> (usize, Arc<Failed>) {
        let next = self.failed.len();
        let failing = &self.failing;
        let failed = self.failed.entry(lists).or_insert_with_key(|lists| {
            let failing = lists.iter().flat_map(|&list| failing[list].iter());
            let failed = Failed::new(self.layout, failing);
            self.layout.decode(failed.poisoned.iter().map(|poisoned| poisoned.section));
            (next, Arc::new(failed))
        });
        failed.clone()
    }

    /// Which instructions of a section can be run, if these are poisoned and others get what the resolutions say.
    fn reached(&mut self, poisoned: &Arc<Poisoned>, resolutions: &[Arc<Resolution>]) -> Reached {
        let code = self.layout.code(poisoned.section);
        let decision = |&(group, asked): &(usize, usize)| resolutions[group].decision(asked);
        let decisions: Vec<Decision> = code.decides.iter().map(decision).collect();
        let next = self.reached.len();
        let reached = self.reached.entry((Arc::clone(poisoned), decisions)).or_insert_with(|| {
            let patch = |&Member { insn, group, place }: &Member| {
                let (_, asked) = self.layout.groups[group].relocations[place];
                resolutions[group].patch(place, asked).map(|patch| (insn, patch))
            };
            let poisoned = poisoned.insns.iter().map(|&insn| (insn, Patch::Poison));
            (next, code.reached(poisoned.chain(code.deciding.iter().filter_map(patch))).into())
        });
        reached.clone()
    }
}

impl Resolution {
    /// What a relocation, which asks that, makes of its instruction.
    fn patch(&self, place: usize, asked: usize) -> Option<Patch> {
        let round = self.rounds.iter().rev().find(|round| round.start <= place)?;
        round.verdicts[asked].as_ref()?.patch
    }

    /// What all relocations that ask that make of their instructions.
    fn decision(&self, asked: usize) -> Decision {
        match self.rounds.as_slice() {
            [round] => Decision::Patch(round.verdicts[asked].as_ref().and_then(|verdict| verdict.patch)),
            _ => Decision::Pruned(self.number),
        }
    }
}

impl Failed {
    fn new<'f>(layout: &Layout<'_>, failing: impl Iterator<Item = &'f Failing>) -> Self {
        let mut relocations = Vec::new();
        for Failing { group, start, end, asked, failure } in failing {
            let Group { object, relocations: all, .. } = &layout.groups[*group];
            for (relocation, _) in all[*start..*end].iter().filter(|(_, of)| of == asked) {
                let (object, relocation, failure) = (*object, *relocation, failure.clone());
                relocations.push(FailedRelocation { object, relocation, failure, poisoned: None });
            }
        }
        relocations.sort_unstable_by_key(|it| (it.object, it.relocation));
        let mut places: Memo<usize, usize> = Memo::default();
        let mut poisoned: Vec<Poisoned> = Vec::new();
        for it in relocations.iter_mut().filter(|it| !it.failure.refused) {
            let (section, insn) = layout.insn(it.object, it.relocation);
            let place = *places.entry(section).or_insert_with(|| {
                poisoned.push(Poisoned { section, insns: Vec::new() });
                poisoned.len() - 1
            });
            poisoned[place].insns.push(insn);
            it.poisoned = Some((place, insn));
        }
        Self { relocations, poisoned: poisoned.into_iter().map(Arc::new).collect() }
    }

    fn unresolved(&self, reached: &[Reached]) -> Arc<[Unresolved]> {
        let unresolved = |it: &FailedRelocation| {
            let insn = it.poisoned.and_then(|(place, insn)| reached[place].1.get(insn));
            Unresolved {
                object: it.object,
                relocation: it.relocation,
                lasting: it.failure.lasting,
                reason: Arc::clone(&it.failure.reason),
                reached: insn.copied().unwrap_or(true),
            }
        };
        self.relocations.iter().map(unresolved).collect()
    }
}

/// What fails in each round of a group of so many relocations.
fn failing(rounds: &[Round], group: usize, relocations: usize) -> Vec<Failing> {
    let mut failing = Vec::new();
    for (number, round) in rounds.iter().enumerate() {
        let end = rounds.get(number + 1).map_or(relocations, |next| next.start);
        for (asked, verdict) in round.verdicts.iter().enumerate() {
            if let Some(Verdict { failure: Some(failure), .. }) = verdict {
                let (start, failure) = (round.start, failure.clone());
                failing.push(Failing { group, start, end, asked, failure });
            }
        }
    }
    failing
}

/// Takes libbpf's way through one list of candidates, relocation after relocation.
fn resolve(answers: &mut Answers<'_>, types: &Types, kernel: &KernelTypes, group: &Group) -> Vec<Round> {
    let candidates = &kernel.candidates[group.root];
    let evaluations: Vec<_> =
        candidates.iter().map(|it| answers.get(types, kernel.model, group.root, it.ty)).collect();
    let definitions: Vec<TypeRef> = candidates.iter().map(|it| it.ty).collect();
    let questions = &answers.roots().roots()[group.root].questions;
    let mut survivors: Vec<usize> = (0..candidates.len()).collect();
    let mut row: Vec<Candidate> = Vec::with_capacity(candidates.len());
    let round = |start| Round { start, verdicts: group.asked.iter().map(|_| None).collect() };
    let (mut rounds, mut current) = (Vec::new(), round(0));
    for (place, &(_, asked)) in group.relocations.iter().enumerate() {
        if current.verdicts[asked].is_some() {
            continue;
        }
        let Asked { question, accesses_memory } = group.asked[asked];
        row.clear();
        row.extend(evaluations.iter().zip(candidates).map(|(evaluation, it)| Candidate {
            answer: evaluation.answers[question],
            repeated: it.repeated,
        }));
        let spec = &questions[question].spec;
        let (outcome, left) = decide(spec.kind, &row, &survivors);
        if left != survivors {
            survivors = left;
            rounds.push(std::mem::replace(&mut current, round(place)));
        }
        let absent = || explain_mismatch(types, spec, kernel.model, &definitions);
        current.verdicts[asked] = Some(Verdict::of(outcome, accesses_memory, absent));
    }
    rounds.push(current);
    rounds
}

impl Verdict {
    /// `mismatch` says why no candidate matches.
    fn of(outcome: Outcome, accesses_memory: bool, mismatch: impl FnOnce() -> String) -> Self {
        let failure =
            |lasting, refused, reason: String| Some(Failure { lasting, refused, reason: reason.into() });
        match outcome {
            Outcome::Value(resolved) if resolved.misread && accesses_memory => {
                let reason = format!(
                    "the field has {} bytes there and is no pointer or unsigned integer on both sides, so that a plain load would misread it",
                    resolved.size
                );
                Self { patch: Some(Patch::Poison), failure: failure(false, false, reason) }
            }
            Outcome::Value(resolved) => Self { patch: Some(Patch::Value(resolved.value)), failure: None },
            Outcome::Absent => Self { patch: Some(Patch::Value(0)), failure: None },
            Outcome::Poison => Self { patch: Some(Patch::Poison), failure: failure(true, false, mismatch()) },
            Outcome::Ambiguous(a, b) => {
                let reason = if a.bit_offset != b.bit_offset {
                    let (a, b) = (a.bit_offset, b.bit_offset);
                    format!("ambiguous: types of that name have it at bit {a} and at bit {b}")
                } else if a.value != b.value {
                    format!("ambiguous: types of that name give {} and {}", a.value, b.value)
                } else {
                    "ambiguous: several types of that name have different ids".to_owned()
                };
                Self { patch: None, failure: failure(true, true, reason) }
            }
            Outcome::Failure(cause) => Self { patch: None, failure: failure(true, true, cause.to_string()) },
        }
    }
}
