//! Document: the report as JSON. `docs/forecast.md` describes it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::causes::nearest;
use super::data::Report;
use crate::forecast::{Forecast, ObjectForecast, Outcome, OutcomeId, Reason, ReasonId};

/// The version of the document. It changes if a field changes its meaning.
pub(super) const VERSION: u32 = 1;

/// A report to serialize.
#[derive(Debug, Serialize)]
pub struct Document<'r> {
    version: u32,
    /// What is embedded.
    embedding: &'r Report,
    /// Whether it runs.
    forecast: ForecastDocument<'r>,
}

#[derive(Debug, Serialize)]
struct ForecastDocument<'r> {
    kernels: Vec<&'r str>,
    reasons: Vec<ReasonDocument<'r>>,
    outcomes: &'r [Outcome],
    objects: &'r [ObjectForecast],
}

#[derive(Debug, Serialize)]
struct ReasonDocument<'r> {
    #[serde(flatten)]
    reason: &'r Reason,
    /// By series, the nearest kernel that has what is required.
    nearest: BTreeMap<&'r str, &'r str>,
}

impl<'r> From<&'r Report> for Document<'r> {
    fn from(report: &'r Report) -> Self {
        let Forecast { kernels, reasons, outcomes, objects, .. } = &report.forecast;
        let affected = affected(&report.forecast);
        let reasons = reasons.iter().zip(&affected).enumerate().map(|(index, (reason, affected))| {
            let nearest = nearest(&report.forecast, ReasonId(index), affected);
            let nearest = nearest.into_iter().map(|(series, id)| (series, id.as_str())).collect();
            ReasonDocument { reason, nearest }
        });
        let kernels = kernels.iter().map(|id| id.as_str()).collect();
        let forecast = ForecastDocument { kernels, reasons: reasons.collect(), outcomes, objects };
        Self { version: VERSION, embedding: report, forecast }
    }
}

/// For each reason the kernels on which some program or object has it.
fn affected(forecast: &Forecast) -> Vec<Vec<usize>> {
    let mut kernels = vec![Vec::new(); forecast.reasons.len()];
    let all = || forecast.objects.iter().flat_map(|own| std::iter::once(&own.whole).chain(&own.programs));
    for kernel in 0..forecast.kernels.len() {
        let mut outcomes: Vec<OutcomeId> = all().map(|own| own.outcomes[kernel]).collect();
        outcomes.sort_unstable();
        outcomes.dedup();
        let mut reasons: Vec<ReasonId> =
            outcomes.iter().flat_map(|id| &forecast.outcomes[id.0].reasons).copied().collect();
        reasons.sort_unstable();
        reasons.dedup();
        reasons.iter().for_each(|id| kernels[id.0].push(kernel));
    }
    kernels
}
