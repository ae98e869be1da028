//! Diagnosis: which relocations of a set of objects get no value from a kernel, and whether their instructions can run.
//!
//! `layout` arranges the relocations of all objects by group and by section, once for all kernels. `verdicts` takes libbpf's
//! way through one group on one kernel. `findings` draws from the effects of all groups what a kernel fails, section by
//! section.
//!
//! A verdict is a pure function of the kernel and the relocation. Kernels share most of what decides a verdict, so each step
//! remembers its results.

mod findings;
mod layout;
mod verdicts;

pub(crate) use findings::{Diagnoser, Finding, Findings, KernelFindingsId};
pub(crate) use layout::Layout;
