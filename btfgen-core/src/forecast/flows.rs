//! Flows: which instructions of a section can run on a kernel, with the values that its relocations, externs and version give.

use std::borrow::Cow;

use super::features::Judge;
use crate::diagnose::{Effect, RelocationId, SectionState, SectionStateId, SectionStates};
use crate::memo::{Distinct, Id, ids};
use crate::object::{ControlFlow, InsnIndex, Object, Patch, Reachable, SettingLoad};
use crate::requirements::{Extern, ExternId, Version};

ids! {
    /// A flow, among the distinct ones of a section.
    FlowId;
}

/// libbpf's own kconfig value, as `KERNEL_VERSION(major, minor, patch)`.
const KERNEL_VERSION: &str = "LINUX_KERNEL_VERSION";

/// Since this version the verifier reads the values of maps that do not change (`bpf_map_direct_read`).
const SETTINGS_KNOWN_SINCE: Version = Version::new(5, 5);

/// A section's code, for all kernels.
pub(super) struct SectionFlows<'a> {
    pub(super) name: &'a str,
    flow: Cow<'a, ControlFlow>,
    /// By state, of sections with relocations.
    states: Option<&'a SectionStates>,
    /// The instructions that load the address of a weak extern.
    weak: Vec<(InsnIndex, ExternId)>,
    settings: &'a [SettingLoad],
    reads_version: bool,
    keys: Distinct<FlowId, FlowKey>,
    reachable: Vec<Reachable>,
}

/// What the code of a section depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct FlowKey {
    state: Option<u32>,
    /// For each use of a weak extern whether the kernel has it, if that is known.
    weak: Vec<Option<bool>>,
    /// The lowest and highest kernel version that it can be.
    version: Option<[u32; 2]>,
    /// Whether the verifier knows the values of settings. If so, it skips branches that they rule out.
    knows_settings: bool,
}

/// The value that each setting has in a try.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Try {
    /// Any: it rules out no branch.
    Any,
    Zero,
    One,
    /// What the object says.
    Initial,
}

impl Try {
    const ALL: [Self; 3] = [Self::Zero, Self::One, Self::Initial];
}

impl<'a> SectionFlows<'a> {
    pub(super) fn new(
        object: &'a Object,
        name: &'a str,
        externs: &[Extern],
        flow: Cow<'a, ControlFlow>,
        states: Option<&'a SectionStates>,
    ) -> Self {
        let weak = object.references(name).iter().filter_map(|reference| {
            let symbol = object.symbol_of(reference);
            let at = externs.iter().position(|it| it.weak && *it.name == *symbol.name)?;
            (symbol.section.is_none()).then_some((reference.insn, ExternId(at)))
        });
        let settings = object.setting_loads(name);
        Self {
            name,
            flow,
            states,
            weak: weak.collect(),
            settings,
            reads_version: settings.iter().any(|load| &*load.name == KERNEL_VERSION),
            keys: Distinct::default(),
            reachable: Vec::new(),
        }
    }

    /// The flow on a kernel; `has` says of a weak extern whether the kernel has it.
    pub(super) fn on_kernel(
        &mut self,
        judge: &Judge<'_>,
        kernel: usize,
        state: Option<SectionStateId>,
        has: &dyn Fn(ExternId) -> Option<bool>,
    ) -> FlowId {
        let version = judge.kernels.version(kernel).filter(|_| self.reads_version).map(|version| {
            let base = u32::from(version.major) << 16 | u32::from(version.minor) << 8;
            [base, base | 0xff]
        });
        let weak = self.weak.iter().map(|&(_, id)| has(id)).collect();
        let knows_settings = version.is_none()
            || judge.kernels.version(kernel).is_some_and(|version| version >= SETTINGS_KNOWN_SINCE);
        let key = FlowKey { state: state.map(|state| state.index() as u32), weak, version, knows_settings };
        let id = self.keys.id(key);
        if id.index() == self.reachable.len() {
            self.reachable.push(self.reach(id, |_| Try::Any));
        }
        id
    }

    /// The instructions that can run under some settings.
    pub(super) fn reachable(&self, flow: FlowId) -> &Reachable {
        &self.reachable[flow.index()]
    }

    /// The instructions that can run whatever the settings are, as far as a few tries tell.
    pub(super) fn certain(&self, flow: FlowId) -> Reachable {
        let mut certain = self.reachable[flow.index()].clone();
        if !self.settings.is_empty() {
            Try::ALL.iter().for_each(|&value| certain.retain(&self.reach(flow, |_| value)));
        }
        certain
    }

    /// The instructions that can run with one setting at a value of each try, and any values of the others.
    pub(super) fn with_setting(&self, flow: FlowId, name: &str) -> [Reachable; 3] {
        Try::ALL.map(|value| self.reach(flow, |own| if own == name { value } else { Try::Any }))
    }

    /// The settings that the section reads.
    pub(super) fn settings(&self) -> impl Iterator<Item = &'a str> {
        self.settings.iter().map(|load| &*load.name)
    }

    /// Relocations that poison their instruction, or that libbpf refuses.
    pub(super) fn failures(&self, flow: FlowId) -> impl Iterator<Item = (RelocationId, InsnIndex, &Effect)> {
        let state = self.state(flow).into_iter().flat_map(|state| &state.effects);
        let fails = |effect: &Effect| !matches!(effect, Effect::Value(_));
        state.filter(move |it| fails(&it.2)).map(|(relocation, insn, effect)| (*relocation, *insn, effect))
    }

    fn state(&self, flow: FlowId) -> Option<&SectionState> {
        let id = self.keys[flow].state?;
        Some(&self.states?[SectionStateId::new(id as usize)])
    }

    /// The instructions that can run; `values` gives the value of each setting.
    fn reach(&self, flow: FlowId, values: impl Fn(&str) -> Try) -> Reachable {
        let versions = self.keys[flow].version;
        let mut reachable = self.reach_on(flow, &values, versions.map(|[lowest, _]| lowest));
        if let Some([_, highest]) = versions {
            // A release such as `6.1.0-50-amd64` does not tell the patch level.
            reachable.insert_all(&self.reach_on(flow, &values, Some(highest)));
        }
        reachable
    }

    fn reach_on(&self, flow: FlowId, values: &impl Fn(&str) -> Try, version: Option<u32>) -> Reachable {
        let knows = self.keys[flow].knows_settings;
        let mut patches: Vec<(InsnIndex, Patch)> = Vec::new();
        if let Some(state) = self.state(flow) {
            patches.extend(state.effects.iter().filter_map(|(_, insn, effect)| {
                let patch = match effect {
                    Effect::Value(value) => Patch::Value(*value),
                    Effect::Poison(_) => Patch::Poison,
                    Effect::Refuse(_) => return None,
                };
                Some((*insn, patch))
            }));
        }
        let weak = self.weak.iter().zip(&self.keys[flow].weak);
        patches.extend(weak.filter_map(|(&(insn, _), has)| Some((insn, Patch::Value((*has)?.into())))));
        patches.extend(self.settings.iter().filter_map(|load| {
            let value = match (values(&load.name), version) {
                (value, Some(version)) if &*load.name == KERNEL_VERSION && (knows || value != Try::Any) => {
                    version.into()
                }
                (Try::Any, _) => return None,
                (Try::Zero, _) => 0,
                (Try::One, _) => 1,
                (Try::Initial, _) => load.initial?,
            };
            Some((load.insn, Patch::Value(value)))
        }));
        self.flow.reachable(patches)
    }
}
