//! Document: the report as JSON. `docs/forecast.md` describes it.

use serde::Serialize;

use super::data::Report;
use super::groups::groups;
use crate::forecast::{Forecast, Outcome, OutcomeId, ProgramForecast, Reason, ReasonId};
use crate::memo::Memo;
use crate::series::{in_release_order, split};

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
    kernels: Vec<KernelDocument<'r>>,
    reasons: Vec<ReasonDocument<'r>>,
    /// Distinct sets of groups of kernels.
    sets: Vec<Vec<usize>>,
    outcomes: &'r [Outcome],
    objects: Vec<ObjectDocument<'r>>,
}

#[derive(Debug, Serialize)]
struct KernelDocument<'r> {
    id: &'r str,
    /// The end of the release that names a variant, such as `cloud-amd64`.
    flavor: &'r str,
    /// The position in the order of series and releases.
    rank: usize,
    /// Kernels of one group have the same outcomes, and the same of what reasons are about.
    group: usize,
}

#[derive(Debug, Serialize)]
struct ReasonDocument<'r> {
    #[serde(flatten)]
    reason: &'r Reason,
    /// What to do about something that is not known.
    check: Option<String>,
    /// The index of the set of groups that have what is required, if it is missing elsewhere.
    available: Option<usize>,
}

#[derive(Debug, Serialize)]
struct ObjectDocument<'r> {
    #[serde(flatten)]
    whole: ProgramDocument<'r>,
    programs: Vec<ProgramDocument<'r>>,
}

#[derive(Debug, Serialize)]
struct ProgramDocument<'r> {
    name: &'r str,
    optional: bool,
    /// By groups of kernels.
    outcomes: Vec<OutcomeId>,
}

impl<'r> From<&'r Report> for Document<'r> {
    fn from(report: &'r Report) -> Self {
        let forecast = &report.forecast;
        let Forecast { kernels, reasons, outcomes, objects, .. } = forecast;
        let mut available: Vec<Vec<ReasonId>> = vec![Vec::new(); kernels.len()];
        for id in (0..reasons.len()).map(ReasonId) {
            forecast.available(id).into_iter().for_each(|kernel| available[kernel].push(id));
        }
        let all = || objects.iter().flat_map(|own| std::iter::once(&own.whole).chain(&own.programs));
        let groups = groups(kernels.len(), |kernel| {
            (all().map(|own| own.outcomes[kernel]).collect::<Vec<_>>(), &available[kernel])
        });

        let mut kernels: Vec<KernelDocument<'_>> = kernels
            .iter()
            .map(|id| KernelDocument { id: id.as_str(), flavor: split(id.release()).1, rank: 0, group: 0 })
            .collect();
        let by_release = in_release_order(&forecast.kernels).into_iter().enumerate();
        by_release.for_each(|(rank, kernel)| kernels[kernel].rank = rank);
        for (index, group) in groups.iter().enumerate() {
            group.iter().for_each(|&kernel| kernels[kernel].group = index);
        }

        let mut groups_with: Vec<Vec<usize>> = vec![Vec::new(); reasons.len()];
        for (index, group) in groups.iter().enumerate() {
            available[group[0]].iter().for_each(|id| groups_with[id.0].push(index));
        }
        let mut sets: Vec<Vec<usize>> = Vec::new();
        let mut known: Memo<Vec<usize>, usize> = Memo::default();
        let reasons = reasons.iter().zip(groups_with).map(|(reason, groups)| {
            let available = (!groups.is_empty()).then(|| {
                *known.entry(groups).or_insert_with_key(|groups| {
                    sets.push(groups.clone());
                    sets.len() - 1
                })
            });
            ReasonDocument { reason, check: reason.check(), available }
        });
        let reasons = reasons.collect();
        let program = |own: &'r ProgramForecast| ProgramDocument {
            name: &own.name,
            optional: own.optional,
            outcomes: groups.iter().map(|group| own.outcomes[group[0]]).collect(),
        };
        let objects = objects.iter().map(|own| ObjectDocument {
            whole: program(&own.whole),
            programs: own.programs.iter().map(program).collect(),
        });
        let forecast = ForecastDocument { kernels, reasons, sets, outcomes, objects: objects.collect() };
        Self { version: VERSION, embedding: report, forecast }
    }
}
