//! Outcomes: libbpf's verdict on each relocation of an object for one kernel, when the whole object is loaded.

use std::sync::Arc;

use crate::btf::DataModel;
use crate::kernel::{CandidateRef, KernelTypes};
use crate::memo::Memo;
use crate::minimize::Answers;
use crate::object::{Object, Patch, Relocation};
use crate::resolve::{Candidate, Outcome, decide, explain_mismatch};
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
    /// Whether its instruction can be run, as far as this kernel's existence checks do not rule it out.
    pub reached: bool,
}

/// A group's outcomes for one list of candidates.
struct Resolution {
    /// By relocation, in the order of the object.
    outcomes: Vec<(usize, Outcome)>,
    /// Relocations without a value, and why.
    reasons: Vec<(usize, Outcome, Arc<str>)>,
}

/// Works out outcomes kernel after kernel; equal lists of candidates are worked on once.
pub struct Outcomes<'o> {
    objects: &'o [Object],
    groups: Vec<Group>,
    known: Memo<(usize, DataModel, Vec<CandidateRef>), Arc<Resolution>>,
    /// What all groups together leave unresolved, by the resolutions' addresses, which `known` keeps alive.
    unresolved: Memo<Vec<*const Resolution>, Arc<[Unresolved]>>,
    reached: Memo<SectionKey, Arc<[bool]>>,
}

/// A section of an object and what relocations make of its instructions.
type SectionKey = (usize, Arc<str>, Vec<(usize, Patch)>);

impl<'o> Outcomes<'o> {
    /// Groups the relocations of all objects.
    pub fn new(objects: &'o [Object], roots: &Roots) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for (object, places) in roots.places().iter().enumerate() {
            let mut index: Memo<u32, usize> = Memo::default();
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
        Self {
            objects,
            groups,
            known: Memo::default(),
            unresolved: Memo::default(),
            reached: Memo::default(),
        }
    }

    /// The relocations that get no value from a kernel: poisoned ones and those that fail, in the order of the objects.
    pub fn unresolved(
        &mut self,
        answers: &mut Answers<'_>,
        types: &Types,
        kernel: &KernelTypes,
    ) -> Arc<[Unresolved]> {
        let mut resolutions = Vec::with_capacity(self.groups.len());
        for (number, group) in self.groups.iter().enumerate() {
            let key = (number, kernel.model, kernel.candidates[group.root].clone());
            let resolution = self.known.entry(key).or_insert_with(|| {
                Arc::new(resolve(answers, types, kernel, group, &self.objects[group.object]))
            });
            resolutions.push((group.object, Arc::clone(resolution)));
        }
        let key: Vec<_> = resolutions.iter().map(|(_, resolution)| Arc::as_ptr(resolution)).collect();
        if let Some(known) = self.unresolved.get(&key) {
            return Arc::clone(known);
        }
        let mut unresolved = Vec::new();
        for object in 0..self.objects.len() {
            let own: Vec<_> =
                resolutions.iter().filter(|(of, _)| *of == object).map(|(_, it)| it.as_ref()).collect();
            self.unresolved_of(object, &own, &mut unresolved);
        }
        unresolved.sort_by_key(|it| (it.object, it.relocation));
        let unresolved: Arc<[Unresolved]> = unresolved.into();
        self.unresolved.insert(key, Arc::clone(&unresolved));
        unresolved
    }

    fn unresolved_of(
        &mut self,
        object: usize,
        resolutions: &[&Resolution],
        unresolved: &mut Vec<Unresolved>,
    ) {
        if resolutions.iter().all(|resolution| resolution.reasons.is_empty()) {
            return;
        }
        let relocations = self.objects[object].relocations();
        let sections = self.sections(object, resolutions);
        for (relocation, outcome, reason) in resolutions.iter().flat_map(|resolution| &resolution.reasons) {
            let place = &relocations[*relocation];
            let reached = match outcome {
                Outcome::Ambiguous(..) | Outcome::Failure(_) => true,
                Outcome::Poison | Outcome::Value(_) | Outcome::Absent => {
                    let insns = sections.get(&place.section);
                    insns.and_then(|insns| insns.get(place.insn_offset as usize / 8)).copied().unwrap_or(true)
                }
            };
            let (relocation, outcome, reason) = (*relocation, *outcome, Arc::clone(reason));
            unresolved.push(Unresolved { object, relocation, outcome, reason, reached });
        }
    }

    /// For each section of an object in which a relocation finds nothing, which instructions can be run.
    fn sections(&mut self, object: usize, resolutions: &[&Resolution]) -> Memo<Arc<str>, Arc<[bool]>> {
        let of = &self.objects[object];
        let unresolved = resolutions.iter().flat_map(|resolution| &resolution.reasons);
        let mut patches: Memo<Arc<str>, Vec<(usize, Patch)>> = unresolved
            .map(|(relocation, ..)| (Arc::clone(&of.relocations()[*relocation].section), Vec::new()))
            .collect();
        for &(relocation, outcome) in resolutions.iter().flat_map(|resolution| &resolution.outcomes) {
            let place = &of.relocations()[relocation];
            if let Some(section) = patches.get_mut(&place.section) {
                section
                    .extend(patch(of, place, outcome).map(|patch| (place.insn_offset as usize / 8, patch)));
            }
        }
        let mut sections = Memo::default();
        for (section, mut patches) in patches {
            patches.sort_unstable_by_key(|(at, _)| *at);
            let key = (object, Arc::clone(&section), patches);
            let reached = match self.reached.get(&key) {
                Some(reached) => Arc::clone(reached),
                None => {
                    let reached: Arc<[bool]> = of.reached(&section, &key.2).into();
                    self.reached.insert(key, Arc::clone(&reached));
                    reached
                }
            };
            sections.insert(section, reached);
        }
        sections
    }
}

/// What an outcome makes of an instruction (`bpf_core_patch_insn`).
fn patch(object: &Object, relocation: &Relocation, outcome: Outcome) -> Option<Patch> {
    match outcome {
        Outcome::Value(resolved) if resolved.misread && object.accesses_memory(relocation) => {
            Some(Patch::Poison)
        }
        Outcome::Value(resolved) => Some(Patch::Value(resolved.value)),
        Outcome::Absent => Some(Patch::Value(0)),
        Outcome::Poison => Some(Patch::Poison),
        Outcome::Ambiguous(..) | Outcome::Failure(_) => None,
    }
}

/// Takes libbpf's way through one list of candidates, relocation after relocation.
fn resolve(
    answers: &mut Answers<'_>,
    types: &Types,
    kernel: &KernelTypes,
    group: &Group,
    object: &Object,
) -> Resolution {
    let candidates = &kernel.candidates[group.root];
    let evaluations: Vec<_> =
        candidates.iter().map(|it| answers.get(types, kernel.model, group.root, it.ty)).collect();
    let definitions: Vec<TypeRef> = candidates.iter().map(|it| it.ty).collect();
    let questions = &answers.roots().roots()[group.root].questions;
    let mut survivors: Vec<usize> = (0..candidates.len()).collect();
    let mut resolution = Resolution { outcomes: Vec::new(), reasons: Vec::new() };
    for &(relocation, question) in &group.relocations {
        let row: Vec<Candidate> = evaluations
            .iter()
            .zip(candidates)
            .map(|(evaluation, it)| Candidate { answer: evaluation.answers[question], repeated: it.repeated })
            .collect();
        let spec = &questions[question].spec;
        let (outcome, left) = decide(spec.kind, &row, &survivors);
        survivors = left;
        resolution.outcomes.push((relocation, outcome));
        let place = &object.relocations()[relocation];
        let reason = match outcome {
            Outcome::Poison => explain_mismatch(types, spec, kernel.model, &definitions),
            Outcome::Ambiguous(..) | Outcome::Failure(_) => reason(outcome),
            Outcome::Value(resolved) if resolved.misread && object.accesses_memory(place) => {
                let size = resolved.size;
                format!(
                    "the field has {size} bytes there and is no pointer or unsigned integer on both sides, so that a plain load would misread it"
                )
            }
            Outcome::Value(_) | Outcome::Absent => continue,
        };
        resolution.reasons.push((relocation, outcome, reason.into()));
    }
    resolution
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
