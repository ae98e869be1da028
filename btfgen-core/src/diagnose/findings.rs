//! Findings: the relocations that fail on a kernel, from the effects of all groups.

use std::sync::{Arc, Mutex, PoisonError};

use super::layout::{GroupId, Layout, ObjectId, RelocationId, Section};
use super::verdicts::{Effect, Effects};
use crate::btf::DataModel;
use crate::kernel::{CandidateRef, KernelTypes};
use crate::memo::{Distinct, Id, Memo, ids};
use crate::object::Patch;
use crate::resolve::Evaluator;
use crate::types::Types;

ids! {
    /// The effects of a group, among the distinct ones of a thread.
    EffectsId;
    /// A finding, among those of all kernels.
    FindingId;
    /// A kernel's findings, among those of all kernels; kernels may share them.
    KernelFindingsId;
}

/// A relocation that gets no value from some kernel, and whose instruction can run.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Finding {
    pub(crate) object: ObjectId,
    pub(crate) relocation: RelocationId,
    pub(crate) reason: Arc<str>,
}

/// The findings of a kernel, or of a section on a kernel.
#[derive(Debug, Default)]
pub(crate) struct KernelFindings {
    /// In the order of sections, and of relocations in a section.
    pub(crate) findings: Vec<FindingId>,
    /// Number of relocations that get no value and whose instruction never runs, because a check rules it out.
    pub(crate) guarded: usize,
}

/// The findings of all kernels. All threads of a run add to them, so ids differ from run to run.
#[derive(Default)]
pub(crate) struct Findings {
    all: Mutex<Distinct<FindingId, Finding>>,
    kernels: Mutex<Vec<KernelFindings>>,
}

impl Findings {
    fn ids(&self, findings: Vec<Finding>) -> Vec<FindingId> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        findings.into_iter().map(|finding| all.id(finding)).collect()
    }

    fn add_kernel(&self, findings: KernelFindings) -> KernelFindingsId {
        let mut kernels = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        kernels.push(findings);
        KernelFindingsId::new(kernels.len() - 1)
    }

    /// The distinct findings by [`FindingId`], and those of the kernels by [`KernelFindingsId`].
    pub(crate) fn into_parts(self) -> (Vec<Arc<Finding>>, Vec<KernelFindings>) {
        let all = self.all.into_inner().unwrap_or_else(PoisonError::into_inner);
        (all.values().to_vec(), self.kernels.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A key of equal effects of a group.
#[derive(PartialEq, Eq, Hash)]
struct GroupKey {
    group: GroupId,
    model: DataModel,
    candidates: Vec<CandidateRef>,
}

/// Diagnoses kernels one after another, on one thread.
///
/// Each level stores its results by the ids of the level below: a group's effects by its candidates, a section's findings by
/// the effects of its groups, a kernel's findings by the effects of all groups.
pub(crate) struct Diagnoser<'a> {
    layout: &'a Layout,
    findings: &'a Findings,
    groups: Memo<GroupKey, EffectsId>,
    effects: Distinct<EffectsId, Effects>,
    /// For each section of the layout its findings.
    sections: Vec<Memo<Vec<EffectsId>, KernelFindings>>,
    kernels: Memo<Vec<EffectsId>, KernelFindingsId>,
}

impl<'a> Diagnoser<'a> {
    /// A diagnoser without results.
    pub(crate) fn new(layout: &'a Layout, findings: &'a Findings) -> Self {
        Self {
            layout,
            findings,
            groups: Memo::default(),
            effects: Distinct::default(),
            sections: layout.sections.iter().map(|_| Memo::default()).collect(),
            kernels: Memo::default(),
        }
    }

    /// The findings of a kernel.
    pub(crate) fn diagnose(
        &mut self,
        evaluator: &mut Evaluator<'_>,
        types: &Types,
        kernel: &KernelTypes,
    ) -> KernelFindingsId {
        let mut effects = Vec::new();
        for (index, group) in self.layout.groups.iter().enumerate() {
            let candidates = kernel.candidates(group.root).to_vec();
            let key = GroupKey { group: GroupId::new(index), model: kernel.model, candidates };
            let distinct = &mut self.effects;
            let id = self.groups.entry(key);
            effects.push(*id.or_insert_with(|| distinct.id(Effects::new(group, evaluator, types, kernel))));
        }
        if let Some(known) = self.kernels.get(&effects) {
            return *known;
        }
        let mut all = KernelFindings::default();
        for (section, known) in self.layout.sections.iter().zip(&mut self.sections) {
            let own = section.parts.iter().map(|part| effects[part.group.index()]).collect();
            let found = known.entry(own).or_insert_with_key(|own| {
                let own: Vec<&Effects> = own.iter().map(|&id| &self.effects[id]).collect();
                section_findings(section, &own, self.findings)
            });
            all.findings.extend_from_slice(&found.findings);
            all.guarded += found.guarded;
        }
        let id = self.findings.add_kernel(all);
        self.kernels.insert(effects, id);
        id
    }
}

/// The findings of a section; `effects` are those of its parts.
fn section_findings(section: &Section, effects: &[&Effects], all: &Findings) -> KernelFindings {
    let mut patches = Vec::new();
    let (mut refused, mut poisoned) = (Vec::new(), Vec::new());
    for (part, effects) in section.parts.iter().zip(effects).filter(|(_, effects)| !effects.is_empty()) {
        for site in &part.sites {
            let finding = |reason: &Arc<str>| Finding {
                object: section.object,
                relocation: site.relocation,
                reason: Arc::clone(reason),
            };
            match effects.of(site) {
                Some(Effect::Value(value)) => patches.push((site.insn, Patch::Value(*value))),
                Some(Effect::Poison(reason)) => {
                    patches.push((site.insn, Patch::Poison));
                    poisoned.push((site.insn, finding(reason)));
                }
                // libbpf refuses the whole object, so no check guards it.
                Some(Effect::Refuse(reason)) => refused.push(finding(reason)),
                None => {}
            }
        }
    }
    let failed = refused.len() + poisoned.len();
    let mut findings = refused;
    if !poisoned.is_empty() {
        let reachable = section.flow.reachable(patches);
        let can_run = poisoned.into_iter().filter(|(insn, _)| reachable.contains(*insn));
        findings.extend(can_run.map(|(_, finding)| finding));
    }
    findings.sort_unstable_by_key(|finding| finding.relocation);
    let guarded = failed - findings.len();
    KernelFindings { findings: all.ids(findings), guarded }
}
