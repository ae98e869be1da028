//! Reasons: the distinct reasons and outcomes of a forecast.

use super::answer::{Answer, Doubt};
use super::data::{Outcome, OutcomeId, Reason, ReasonId, Verdict};
use crate::hub::file::KernelSet;
use crate::memo::Memo;
use crate::object::SourceLine;

/// Where and under which setting something is required.
#[derive(Debug, Clone, Default)]
pub(super) struct Context {
    pub(super) line: Option<SourceLine>,
    pub(super) setting: Option<String>,
}

/// The distinct reasons and outcomes, in the order of adding.
#[derive(Default)]
pub(super) struct Reasons {
    pub(super) reasons: Vec<Reason>,
    /// For each reason, the kernels that have what is required; never a kernel that the reason applies to.
    pub(super) available: Vec<KernelSet>,
    ids: Memo<Reason, ReasonId>,
    pub(super) outcomes: Vec<Outcome>,
    outcome_ids: Memo<Vec<ReasonId>, OutcomeId>,
}

/// The reasons of a program on each kernel of the hub.
pub(super) struct KernelReasons(pub(super) Vec<Vec<ReasonId>>);

impl Reasons {
    /// Adds an answer's doubts about some kernels to what is found.
    pub(super) fn add(
        &mut self,
        answer: &Answer,
        context: &Context,
        kernels: &KernelSet,
        found: &mut KernelReasons,
    ) {
        for doubt in &answer.doubts {
            let affected = doubt.kernels.intersection(kernels);
            if affected.is_empty() {
                continue;
            }
            let id = self.reason(answer, doubt, context);
            affected.iter().for_each(|kernel| found.0[kernel].push(id));
        }
    }

    fn reason(&mut self, answer: &Answer, doubt: &Doubt, Context { line, setting }: &Context) -> ReasonId {
        let is_missing = doubt.verdict >= Verdict::Unknown;
        let setting = setting.clone().filter(|_| is_missing);
        // What only some settings need may be missing without harm.
        let verdict = if setting.is_some() { Verdict::Unknown } else { doubt.verdict };
        let reason = Reason {
            verdict,
            requirement: answer.requirement.clone(),
            why: doubt.why.clone(),
            line: line.as_ref().map(ToString::to_string),
            text: line.as_ref().map(|line| line.text.to_string()),
            setting,
        };
        let Self { reasons, available, ids, .. } = self;
        let id = *ids.entry(reason).or_insert_with_key(|reason| {
            reasons.push(reason.clone());
            available.push(answer.has.difference(&doubt.kernels));
            ReasonId(reasons.len() - 1)
        });
        // Answers about relocations have the kernels of one case each.
        available[id.0] = available[id.0].intersection(&answer.has).difference(&doubt.kernels);
        id
    }

    /// Adds the reasons of another table, and returns their new ids.
    pub(super) fn merge(&mut self, other: Self) -> Vec<ReasonId> {
        let Self { reasons, available, ids, .. } = self;
        let others = other.reasons.into_iter().zip(other.available);
        let add = |(reason, has): (Reason, KernelSet)| {
            let id = *ids.entry(reason).or_insert_with_key(|reason| {
                reasons.push(reason.clone());
                available.push(has.clone());
                ReasonId(reasons.len() - 1)
            });
            available[id.0] = available[id.0].intersection(&has);
            id
        };
        others.map(add).collect()
    }

    /// The outcome of some reasons, worst first.
    pub(super) fn outcome(&mut self, mut own: Vec<ReasonId>) -> OutcomeId {
        let Self { reasons, outcomes, outcome_ids, .. } = self;
        own.sort_unstable_by_key(|id| (std::cmp::Reverse(reasons[id.0].verdict), *id));
        own.dedup();
        *outcome_ids.entry(own).or_insert_with_key(|own| {
            let verdict = own.iter().map(|id| reasons[id.0].verdict).max().unwrap_or_default();
            outcomes.push(Outcome { verdict, reasons: own.clone() });
            OutcomeId(outcomes.len() - 1)
        })
    }
}
