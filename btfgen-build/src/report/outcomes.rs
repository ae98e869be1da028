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
    /// Whether it is so whatever the code: it finds nothing or fails, and is not a load that would misread a field.
    pub lasting: bool,
    /// Why, in words.
    pub reason: Arc<str>,
    /// Whether its instruction can be run, as far as this kernel's existence checks do not rule it out.
    pub reached: bool,
}

/// One section of an object.
struct Section {
    object: usize,
    name: Arc<str>,
    /// Its relocations; once it is decoded, those on whose values a branch can hang.
    relocations: Vec<Member>,
    /// Decoded when a relocation of it first finds nothing.
    flow: Option<Flow>,
    /// Which instructions can be run, by what relocations make of them.
    reached: Memo<Vec<(usize, Patch)>, Arc<[bool]>>,
}

/// A section's relocation: its instruction, and where its outcome stands.
struct Member {
    insn: usize,
    group: usize,
    /// The place among the group's relocations.
    place: usize,
}

/// A group's outcomes for one list of candidates.
struct Resolution {
    /// What the relocations make of their instructions.
    patches: Vec<Option<Patch>>,
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
        let (mut groups, mut sections, mut section_of) = (Vec::new(), Vec::new(), Vec::new());
        for (number, (object, places)) in objects.iter().zip(roots.places()).enumerate() {
            let mut by_type: Memo<u32, usize> = Memo::default();
            let mut by_name: Memo<&str, usize> = Memo::default();
            let mut own = Vec::with_capacity(places.len());
            for (relocation, (it, place)) in object.relocations().iter().zip(places).enumerate() {
                let section = *by_name.entry(&it.section).or_insert_with(|| {
                    sections.push(Section::new(number, Arc::clone(&it.section)));
                    sections.len() - 1
                });
                own.push(section);
                let Place::Root { root, question, local } = *place else { continue };
                let group = *by_type.entry(local).or_insert_with(|| {
                    groups.push(Group { object: number, root, relocations: Vec::new() });
                    groups.len() - 1
                });
                let place = groups[group].relocations.len();
                groups[group].relocations.push((relocation, question));
                sections[section].relocations.push(Member { insn: insn_of(it), group, place });
            }
            section_of.push(own);
        }
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
            resolutions.push(Arc::clone(resolution));
        }
        let key: Vec<_> = resolutions.iter().map(Arc::as_ptr).collect();
        if let Some(known) = self.unresolved.get(&key) {
            return Arc::clone(known);
        }
        let unresolved: Arc<[Unresolved]> = self.unresolved_of(&resolutions).into();
        self.unresolved.insert(key, Arc::clone(&unresolved));
        unresolved
    }

    fn unresolved_of(&mut self, resolutions: &[Arc<Resolution>]) -> Vec<Unresolved> {
        let mut reasons = Vec::new();
        for (group, resolution) in self.groups.iter().zip(resolutions) {
            reasons.extend(resolution.reasons.iter().map(|reason| (group.object, reason)));
        }
        reasons.sort_unstable_by_key(|(object, (relocation, ..))| (*object, *relocation));
        let (objects, section_of) = (self.objects, &self.section_of);
        let insn = |object: usize, relocation: usize| insn_of(&objects[object].relocations()[relocation]);
        let mut poisoned: Memo<usize, Vec<(usize, Patch)>> = Memo::default();
        for &(object, &(relocation, outcome, _)) in &reasons {
            if !refuses_load(outcome) {
                let section = poisoned.entry(section_of[object][relocation]).or_default();
                section.push((insn(object, relocation), Patch::Poison));
            }
        }
        let mut reached: Memo<usize, Arc<[bool]>> = Memo::default();
        for (number, patches) in poisoned {
            let section = &mut self.sections[number];
            reached.insert(number, section.reached(&objects[section.object], patches, resolutions));
        }
        let unresolved = |(object, (relocation, outcome, reason)): (usize, &(usize, Outcome, Arc<str>))| {
            let insns = reached.get(&section_of[object][*relocation]);
            let is_reached =
                || insns.and_then(|insns| insns.get(insn(object, *relocation))).copied().unwrap_or(true);
            let reached = refuses_load(*outcome) || is_reached();
            let (relocation, reason) = (*relocation, Arc::clone(reason));
            let lasting = !matches!(outcome, Outcome::Value(_));
            Unresolved { object, relocation, lasting, reason, reached }
        };
        reasons.into_iter().map(unresolved).collect()
    }
}

impl Section {
    fn new(object: usize, name: Arc<str>) -> Self {
        Self { object, name, relocations: Vec::new(), flow: None, reached: Memo::default() }
    }

    /// Which instructions can be run, if these are poisoned and others get what the groups' resolutions say.
    fn reached(
        &mut self,
        object: &Object,
        poisoned: Vec<(usize, Patch)>,
        resolutions: &[Arc<Resolution>],
    ) -> Arc<[bool]> {
        let flow = self.flow.get_or_insert_with(|| {
            let flow = object.flow(&self.name);
            self.relocations.retain(|relocation| flow.decides(relocation.insn));
            flow
        });
        let mut patches = poisoned;
        patches.extend(self.relocations.iter().filter_map(|&Member { insn, group, place }| {
            resolutions[group].patches[place].map(|patch| (insn, patch))
        }));
        let reached = self.reached.entry(patches).or_insert_with_key(|patches| flow.reached(patches).into());
        Arc::clone(reached)
    }
}

/// Whether libbpf refuses the object, so that nothing is run.
fn refuses_load(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Ambiguous(..) | Outcome::Failure(_))
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
        resolution.patches.push(patch(object, place, *outcome));
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
