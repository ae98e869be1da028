//! Outcomes: libbpf's verdict on each relocation of an object for one kernel, when the whole object is loaded.

use std::collections::HashMap;
use std::sync::Arc;

use crate::btf::DataModel;
use crate::kernel::{CandidateRef, KernelTypes};
use crate::minimize::Answers;
use crate::object::{Object, Relocation};
use crate::resolve::{Candidate, Outcome, RelocationKind, decide, explain_mismatch};
use crate::roots::{Place, Roots};
use crate::types::{TypeRef, Types};

/// Relocations of one object that share a local root type, and with it libbpf's list of candidates.
struct Group {
    object: usize,
    root: usize,
    /// Relocation and question, in the order of the object.
    relocations: Vec<(usize, usize)>,
}

/// A relocation that does not get a value from a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// The object, by its place.
    pub object: usize,
    /// The relocation, by its place in the object.
    pub relocation: usize,
    /// What libbpf makes of it.
    pub outcome: Outcome,
    /// Why, in words.
    pub reason: Arc<str>,
}

type Key = (usize, DataModel, Vec<CandidateRef>);

/// Works out outcomes kernel after kernel; equal lists of candidates are worked on once.
pub struct Outcomes {
    groups: Vec<Group>,
    known: HashMap<Key, Arc<[Unresolved]>>,
}

impl Outcomes {
    /// Groups the relocations of all objects.
    pub fn new(roots: &Roots) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for (object, places) in roots.places().iter().enumerate() {
            let mut index: HashMap<u32, usize> = HashMap::new();
            for (relocation, place) in places.iter().enumerate() {
                if let Place::Root { root, question, local } = *place {
                    let group = *index.entry(local).or_insert_with(|| {
                        groups.push(Group { object, root, relocations: Vec::new() });
                        groups.len() - 1
                    });
                    groups[group].relocations.push((relocation, question));
                }
            }
        }
        Self { groups, known: HashMap::new() }
    }

    /// The relocations that get no value from a kernel: poisoned ones and those that fail, in the order of the objects.
    pub fn unresolved(
        &mut self,
        answers: &mut Answers<'_>,
        types: &Types,
        kernel: &KernelTypes,
    ) -> Vec<Unresolved> {
        let mut all = Vec::new();
        for (number, group) in self.groups.iter().enumerate() {
            let candidates = &kernel.candidates[group.root];
            let key = (number, kernel.model, candidates.clone());
            let found = self.known.entry(key).or_insert_with(|| resolve(answers, types, kernel, group));
            all.extend_from_slice(found);
        }
        all.sort_by_key(|it| (it.object, it.relocation));
        all
    }
}

/// Takes libbpf's way through one list of candidates, relocation after relocation.
fn resolve(
    answers: &mut Answers<'_>,
    types: &Types,
    kernel: &KernelTypes,
    group: &Group,
) -> Arc<[Unresolved]> {
    let candidates = &kernel.candidates[group.root];
    let evaluations: Vec<_> =
        candidates.iter().map(|it| answers.get(types, kernel.model, group.root, it.ty)).collect();
    let questions = &answers.roots().roots()[group.root].questions;
    let mut survivors: Vec<usize> = (0..candidates.len()).collect();
    let mut unresolved = Vec::new();
    for &(relocation, question) in &group.relocations {
        let row: Vec<Candidate> = evaluations
            .iter()
            .zip(candidates)
            .map(|(evaluation, it)| Candidate { answer: evaluation.answers[question], repeated: it.repeated })
            .collect();
        let (outcome, left) = decide(questions[question].spec.kind, &row, &survivors);
        survivors = left;
        if !matches!(outcome, Outcome::Value(_) | Outcome::Absent) {
            let all: Vec<TypeRef> = candidates.iter().map(|it| it.ty).collect();
            let reason = match outcome {
                Outcome::Poison => explain_mismatch(types, &questions[question].spec, kernel.model, &all),
                _ => reason(outcome),
            };
            unresolved.push(Unresolved { object: group.object, relocation, outcome, reason: reason.into() });
        }
    }
    unresolved.into()
}

fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::Ambiguous(a, b) if a.bit_offset != b.bit_offset => {
            format!(
                "ambiguous: types of that name have it at bit {} and at bit {}",
                a.bit_offset, b.bit_offset
            )
        }
        Outcome::Ambiguous(a, b) if a.value != b.value => {
            format!("ambiguous: types of that name give {} and {}", a.value, b.value)
        }
        Outcome::Ambiguous(..) => "ambiguous: several types of that name have different ids".to_owned(),
        Outcome::Failure(failure) => failure.to_string(),
        Outcome::Poison | Outcome::Value(_) | Outcome::Absent => String::new(),
    }
}

/// Whether the program that holds a relocation asks if something is there, so that a poisoned instruction may be guarded.
///
/// A subprogram's guard may stand in its caller, so for one the whole object counts.
pub(crate) fn may_be_guarded(object: &Object, relocation: &Relocation) -> bool {
    let within = |other: &Relocation| {
        relocation.section.as_ref() == ".text"
            || (other.section == relocation.section && other.program == relocation.program)
    };
    object
        .relocations()
        .iter()
        .any(|other| other.kind.is_ok_and(RelocationKind::is_existence_check) && within(other))
}
