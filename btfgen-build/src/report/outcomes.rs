//! Outcomes: libbpf's verdict on each relocation of an object for one kernel, when the whole object is loaded.

use std::sync::Arc;

use crate::btf::DataModel;
use crate::kernel::{CandidateRef, KernelTypes};
use crate::memo::Memo;
use crate::minimize::Answers;
use crate::object::{Flow, Object, Patch, Relocation};
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

/// The relocations of one section of an object.
struct Section {
    name: Arc<str>,
    /// Instruction and relocation, in the order of the instructions.
    relocations: Vec<(usize, usize)>,
    /// Decoded when a relocation of it first finds nothing.
    flow: Option<Flow>,
    /// Which instructions can be run, by what relocations make of them.
    reached: Memo<Vec<(usize, Patch)>, Arc<[bool]>>,
}

/// A group's outcomes for one list of candidates.
struct Resolution {
    /// What relocations make of their instructions, in the order of the object.
    patches: Vec<(usize, Patch)>,
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
    sections: Vec<Section>,
    /// For each object the section of each relocation.
    section_of: Vec<Vec<usize>>,
}

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
        let mut sections = Vec::new();
        let section_of = objects.iter().map(|object| sort_by_section(object, &mut sections)).collect();
        let (known, unresolved) = (Memo::default(), Memo::default());
        Self { objects, groups, known, unresolved, sections, section_of }
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
        let mut patches = vec![None; relocations.len()];
        for &(relocation, patch) in resolutions.iter().flat_map(|resolution| &resolution.patches) {
            patches[relocation] = Some(patch);
        }
        let mut reasons: Vec<_> = resolutions.iter().flat_map(|resolution| &resolution.reasons).collect();
        reasons.sort_unstable_by_key(|(relocation, ..)| *relocation);
        let mut sections: Memo<usize, Arc<[bool]>> = Memo::default();
        for (relocation, outcome, reason) in reasons {
            let section = self.section_of[object][*relocation];
            let reached = match outcome {
                Outcome::Ambiguous(..) | Outcome::Failure(_) => true,
                Outcome::Poison | Outcome::Value(_) | Outcome::Absent => {
                    let insns = sections
                        .entry(section)
                        .or_insert_with(|| self.sections[section].reached(&self.objects[object], &patches));
                    insns.get(insn_of(&relocations[*relocation])).copied().unwrap_or(true)
                }
            };
            let (relocation, outcome, reason) = (*relocation, *outcome, Arc::clone(reason));
            unresolved.push(Unresolved { object, relocation, outcome, reason, reached });
        }
    }
}

/// Adds an object's sections that have relocations; returned is the section of each relocation.
fn sort_by_section(object: &Object, sections: &mut Vec<Section>) -> Vec<usize> {
    let mut index: Memo<&str, usize> = Memo::default();
    let mut section_of = Vec::with_capacity(object.relocations().len());
    let first = sections.len();
    for (relocation, place) in object.relocations().iter().enumerate() {
        let section = *index.entry(&place.section).or_insert_with(|| {
            let name = Arc::clone(&place.section);
            let (relocations, flow, reached) = (Vec::new(), None, Memo::default());
            sections.push(Section { name, relocations, flow, reached });
            sections.len() - 1
        });
        sections[section].relocations.push((insn_of(place), relocation));
        section_of.push(section);
    }
    sections[first..].iter_mut().for_each(|section| section.relocations.sort_unstable());
    section_of
}

impl Section {
    /// Which instructions can be run, if these patches of the object's relocations are applied.
    fn reached(&mut self, object: &Object, patches: &[Option<Patch>]) -> Arc<[bool]> {
        let mut own = Vec::with_capacity(self.relocations.len());
        own.extend(
            self.relocations.iter().filter_map(|&(insn, relocation)| Some((insn, patches[relocation]?))),
        );
        let reached = self.reached.entry(own).or_insert_with_key(|own| {
            let flow = self.flow.get_or_insert_with(|| object.flow(&self.name));
            flow.reached(own).into()
        });
        Arc::clone(reached)
    }
}

/// The instruction that a relocation is of, by its place in the section.
fn insn_of(relocation: &Relocation) -> usize {
    relocation.insn_offset as usize / 8
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
    // Outcomes, with the reasons of those without a value, since candidates were last pruned.
    let mut decided: Memo<usize, (Outcome, Option<Arc<str>>)> = Memo::default();
    let mut resolution = Resolution { patches: Vec::new(), reasons: Vec::new() };
    for &(relocation, question) in &group.relocations {
        if !decided.contains_key(&question) {
            let row: Vec<Candidate> = evaluations
                .iter()
                .zip(candidates)
                .map(|(evaluation, it)| Candidate {
                    answer: evaluation.answers[question],
                    repeated: it.repeated,
                })
                .collect();
            let spec = &questions[question].spec;
            let (outcome, left) = decide(spec.kind, &row, &survivors);
            if left != survivors {
                survivors = left;
                decided.clear();
            }
            let reason = match outcome {
                Outcome::Poison => Some(explain_mismatch(types, spec, kernel.model, &definitions)),
                outcome => reason(outcome),
            };
            decided.insert(question, (outcome, reason.map(Into::into)));
        }
        let (outcome, reason) = &decided[&question];
        let place = &object.relocations()[relocation];
        let reason = match *outcome {
            Outcome::Value(resolved) if resolved.misread && object.accesses_memory(place) => {
                let size = resolved.size;
                Some(
                    format!(
                        "the field has {size} bytes there and is no pointer or unsigned integer on both sides, so that a plain load would misread it"
                    )
                    .into(),
                )
            }
            _ => reason.clone(),
        };
        resolution.patches.extend(patch(object, place, *outcome).map(|patch| (relocation, patch)));
        resolution.reasons.extend(reason.map(|reason| (relocation, *outcome, reason)));
    }
    resolution
}

/// Why an outcome has no value, if it can be told from the outcome alone.
fn reason(outcome: Outcome) -> Option<String> {
    Some(match outcome {
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
        Outcome::Poison | Outcome::Value(_) | Outcome::Absent => return None,
    })
}
