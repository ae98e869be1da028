//! Diagnosis: which relocations of a set of objects get no value from a kernel, and whether their instructions can run.
//!
//! `layout` arranges the relocations of all objects by group and by section, once for all kernels. `effects` computes
//! libbpf's results for one group on one kernel. `findings` combines the effects of all groups into a kernel's findings,
//! section by section.
//!
//! An effect is a pure function of the kernel and the relocation. Kernels share most candidates, so each step stores its
//! results for later kernels.

mod effects;
mod findings;
mod layout;

pub(crate) use effects::Effect;
pub(crate) use findings::{
    Diagnoser, Diagnosis, Finding, Findings, KernelFindingsId, SectionState, SectionStateId, SectionStates,
};
pub(crate) use layout::{Layout, RelocationId};
