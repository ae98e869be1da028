//! Findings: the relocations that fail on a kernel, from the effects of all groups.

use std::sync::{Arc, Mutex, PoisonError};

use super::effects::{Effect, EffectId, Effects};
use super::layout::{GroupId, Layout, ObjectId, RelocationId, SectionPart};
use crate::btf::DataModel;
use crate::kernel::{CandidateRef, KernelTypes};
use crate::memo::{Distinct, Id, Memo, ids};
use crate::object::{ControlFlow, InsnIndex, Patch};
use crate::resolve::Evaluator;
use crate::types::Types;

ids! {
    /// The effects of a group, among the distinct ones of a thread.
    EffectsId;
    /// A finding, among those of all kernels.
    FindingId;
    /// A kernel's findings, among those of all kernels; kernels may share them.
    KernelFindingsId;
    /// What relocations do to a section, among the distinct states of that section.
    SectionStateId;
}

/// A relocation that gets no value from some kernel, and whose instruction can run.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Finding {
    pub(crate) object: ObjectId,
    pub(crate) relocation: RelocationId,
    pub(crate) reason: Arc<str>,
}

/// What relocations do to the instructions of a section on some kernels, where that matters.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct SectionState {
    pub(crate) effects: Vec<(RelocationId, InsnIndex, Effect)>,
}

/// The findings of a kernel.
#[derive(Debug, Default)]
pub(crate) struct KernelFindings {
    /// The state of each section of the layout.
    pub(crate) sections: Vec<SectionStateId>,
    /// In the order of sections, and of relocations in a section.
    pub(crate) findings: Vec<FindingId>,
}

/// The findings of a section.
#[derive(Debug)]
struct SectionFindings {
    findings: Vec<FindingId>,
    state: SectionStateId,
}

/// The findings of all kernels. All threads of a run add to them, so ids differ from run to run.
pub(crate) struct Findings {
    all: Mutex<Distinct<FindingId, Finding>>,
    kernels: Mutex<Vec<KernelFindings>>,
    /// For each section of the layout.
    states: Mutex<Vec<SectionStates>>,
}

/// The distinct states of a section.
pub(crate) type SectionStates = Distinct<SectionStateId, SectionState>;

/// The results of all kernels.
pub(crate) struct Diagnosis {
    /// The distinct findings, by [`FindingId`].
    pub(crate) findings: Vec<Arc<Finding>>,
    /// By [`KernelFindingsId`].
    pub(crate) kernels: Vec<KernelFindings>,
    /// For each section of the layout.
    pub(crate) states: Vec<SectionStates>,
}

impl Findings {
    /// No findings yet.
    pub(crate) fn new(layout: &Layout) -> Self {
        let states = layout.sections.iter().map(|_| Distinct::default()).collect();
        Self { all: Mutex::default(), kernels: Mutex::default(), states: Mutex::new(states) }
    }

    fn state(&self, section: usize, state: SectionState) -> SectionStateId {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)[section].id(state)
    }

    fn ids(&self, findings: Vec<Finding>) -> Vec<FindingId> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        findings.into_iter().map(|finding| all.id(finding)).collect()
    }

    fn add_kernel(&self, findings: KernelFindings) -> KernelFindingsId {
        let mut kernels = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        kernels.push(findings);
        KernelFindingsId::new(kernels.len() - 1)
    }

    /// The results, once all kernels are diagnosed.
    pub(crate) fn finish(self) -> Diagnosis {
        Diagnosis {
            findings: self.all.into_inner().unwrap_or_else(PoisonError::into_inner).values().to_vec(),
            kernels: self.kernels.into_inner().unwrap_or_else(PoisonError::into_inner),
            states: self.states.into_inner().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// A key of equal effects of a group.
#[derive(PartialEq, Eq, Hash)]
struct GroupKey {
    group: GroupId,
    model: DataModel,
    candidates: Vec<CandidateRef>,
}

/// A relocation's effect on its instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct SiteEffect {
    relocation: RelocationId,
    insn: InsnIndex,
    effect: EffectId,
}

/// Diagnoses kernels one after another, on one thread.
///
/// Kernels share most results, so each is stored by what decides it: a group's effects by its candidates, a section's
/// findings by the effects on its instructions, a kernel's findings by the effects of all groups.
pub(crate) struct Diagnoser<'a> {
    layout: &'a Layout,
    findings: &'a Findings,
    effects: Distinct<EffectId, Effect>,
    groups: Memo<GroupKey, EffectsId>,
    group_effects: Distinct<EffectsId, Effects>,
    /// For each section of the layout its findings.
    sections: Vec<Memo<Vec<SiteEffect>, SectionFindings>>,
    kernels: Memo<Vec<EffectsId>, KernelFindingsId>,
}

impl<'a> Diagnoser<'a> {
    /// A diagnoser without results.
    pub(crate) fn new(layout: &'a Layout, findings: &'a Findings) -> Self {
        Self {
            layout,
            findings,
            effects: Distinct::default(),
            groups: Memo::default(),
            group_effects: Distinct::default(),
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
        let Self { layout, findings, effects, groups, group_effects, sections, kernels } = self;
        let mut ids = Vec::new();
        for (index, group) in layout.groups.iter().enumerate() {
            let candidates = kernel.candidates(group.root).to_vec();
            let key = GroupKey { group: GroupId::new(index), model: kernel.model, candidates };
            let new = || group_effects.id(Effects::new(effects, group, evaluator, types, kernel));
            ids.push(*groups.entry(key).or_insert_with(new));
        }
        if let Some(known) = kernels.get(&ids) {
            return *known;
        }
        let mut all = KernelFindings::default();
        for (index, (section, known)) in layout.sections.iter().zip(sections).enumerate() {
            let own = section.parts.iter().flat_map(|part| {
                let of_group = &group_effects[ids[part.group.index()]];
                site_effects(part, of_group)
            });
            let found = known.entry(own.collect()).or_insert_with_key(|own| {
                let own_findings = section_findings(section.object, &section.flow, own, effects);
                let effect = |site: &SiteEffect| (site.relocation, site.insn, effects[site.effect].clone());
                let state = SectionState { effects: own.iter().map(effect).collect() };
                let state = findings.state(index, state);
                SectionFindings { findings: findings.ids(own_findings), state }
            });
            all.findings.extend_from_slice(&found.findings);
            all.sections.push(found.state);
        }
        let id = findings.add_kernel(all);
        kernels.insert(ids, id);
        id
    }
}

/// The effects on the instructions of a part of a section.
fn site_effects(part: &SectionPart, effects: &Effects) -> impl Iterator<Item = SiteEffect> {
    let sites = if effects.is_empty() { &[] } else { part.sites.as_slice() };
    sites.iter().filter_map(|site| {
        let effect = effects.of(site)?;
        Some(SiteEffect { relocation: site.relocation, insn: site.insn, effect })
    })
}

/// The findings of a section from the effects on its instructions.
fn section_findings(
    object: ObjectId,
    flow: &ControlFlow,
    own: &[SiteEffect],
    effects: &Distinct<EffectId, Effect>,
) -> Vec<Finding> {
    let mut patches = Vec::new();
    let (mut refused, mut poisoned) = (Vec::new(), Vec::new());
    for &SiteEffect { relocation, insn, effect } in own {
        let finding = |reason: &Arc<str>| Finding { object, relocation, reason: Arc::clone(reason) };
        match &effects[effect] {
            Effect::Value(value) => patches.push((insn, Patch::Value(*value))),
            Effect::Poison(reason) => {
                patches.push((insn, Patch::Poison));
                poisoned.push((insn, finding(reason)));
            }
            // libbpf refuses the whole object, so no check guards it.
            Effect::Refuse(reason) => refused.push(finding(reason)),
        }
    }
    let mut findings = refused;
    if !poisoned.is_empty() {
        let reachable = flow.reachable(patches);
        let can_run = poisoned.into_iter().filter(|(insn, _)| reachable.contains(*insn));
        findings.extend(can_run.map(|(_, finding)| finding));
    }
    findings.sort_unstable_by_key(|finding| finding.relocation);
    findings
}
