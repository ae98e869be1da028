//! Costs: the reasons that keep programs from running on the most kernels.

use std::collections::BTreeSet;

use crate::forecast::{Forecast, Reason, Verdict};
use crate::memo::Memo;
use crate::report::causes::{AffectedProgram, Extent, Key, causes, key};

/// A reason with all kernels and programs that have it.
pub(super) struct Cost<'f> {
    pub(super) reason: &'f Reason,
    /// Indices in [`Forecast::kernels`].
    pub(super) kernels: BTreeSet<usize>,
    /// In the order of the objects.
    pub(super) programs: Vec<AffectedProgram<'f>>,
}

impl Cost<'_> {
    /// Whether it affects optional programs only.
    fn is_optional(&self) -> bool {
        self.programs.iter().all(|program| program.optional)
    }
}

/// The reasons why programs fail or may fail: those of required programs first, what fails before what is unknown, and then those with
/// more kernels.
pub(super) fn costs(forecast: &Forecast) -> Vec<Cost<'_>> {
    let mut costs: Vec<Cost<'_>> = Vec::new();
    let mut known: Memo<Key<'_>, usize> = Memo::default();
    for cause in causes(forecast, Extent::Screen) {
        let reason = cause.reason;
        if reason.verdict < Verdict::Unknown {
            continue;
        }
        let cost = *known.entry(key(reason)).or_insert_with(|| {
            costs.push(Cost { reason, kernels: BTreeSet::new(), programs: Vec::new() });
            costs.len() - 1
        });
        costs[cost].kernels.extend(cause.kernels);
        // A program has a cause on some kernels at one line and on others at another.
        for program in cause.programs {
            if !costs[cost]
                .programs
                .iter()
                .any(|own| (own.object, own.name) == (program.object, program.name))
            {
                costs[cost].programs.push(program);
            }
        }
    }
    costs.sort_by_key(|cost| {
        (cost.is_optional(), cost.reason.verdict != Verdict::Fails, usize::MAX - cost.kernels.len())
    });
    costs
}
