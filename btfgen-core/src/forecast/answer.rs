//! Answers: which kernels meet a requirement, which do not, and for which that is not known.

use super::data::{Requirement, Verdict};
use crate::hub::file::KernelSet;

/// How kernels meet a requirement.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) requirement: Requirement,
    /// The kernels that are known to have it.
    pub(super) has: KernelSet,
    /// Why others may lack it. A kernel may be in several.
    pub(super) doubts: Vec<Doubt>,
}

/// Kernels that may not meet a requirement, for one reason.
#[derive(Debug, Clone)]
pub(super) struct Doubt {
    pub(super) verdict: Verdict,
    pub(super) why: String,
    pub(super) kernels: KernelSet,
}

impl Answer {
    /// An answer without doubts.
    pub(super) fn new(requirement: Requirement, has: KernelSet) -> Self {
        Self { requirement, has, doubts: Vec::new() }
    }

    /// Adds a doubt, unless it is about no kernel.
    pub(super) fn doubt(mut self, verdict: Verdict, why: impl Into<String>, kernels: KernelSet) -> Self {
        if !kernels.is_empty() {
            self.doubts.push(Doubt { verdict, why: why.into(), kernels });
        }
        self
    }

    /// An answer that is not known for any kernel of a set.
    pub(super) fn unknown(requirement: Requirement, why: impl Into<String>, kernels: &KernelSet) -> Self {
        Self::new(requirement, KernelSet::new()).doubt(Verdict::Unknown, why, kernels.clone())
    }

    /// Adds a doubt about all kernels that have it, if a condition holds.
    pub(super) fn doubt_if(self, condition: bool, verdict: Verdict, why: &str) -> Self {
        let kernels = self.has.clone();
        if condition { self.doubt(verdict, why, kernels) } else { self }
    }

    /// Weakens `Fails` to `Unknown`, for programs that do not use the map.
    pub(super) fn for_map_that_may_be_left_out(mut self, map: &str) -> Self {
        for doubt in self.doubts.iter_mut().filter(|doubt| doubt.verdict == Verdict::Fails) {
            doubt.verdict = Verdict::Unknown;
            doubt.why = format!("{}; libbpf creates map {map} unless the loader leaves it out", doubt.why);
        }
        self
    }
}
