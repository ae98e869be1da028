//! Forecast: whether each program of a set of objects runs on each kernel of a hub, and why not.
//!
//! A requirement is answered for all kernels at once (`Answer`): which have it, which lack it, and for which that is not
//! known. What a program requires depends on the kernel only through the instructions that can run there (`flows`). So the
//! kernels fall into a few cases, and each case has the same requirements.
//!
//! `docs/forecast.md` states the rules.

mod answer;
mod attach;
mod data;
mod externs;
mod features;
mod flows;
mod gate;
mod kernels;
mod nearest;
mod object;
mod program_names;
mod reasons;
mod syscalls;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tracepoints;

use std::borrow::Cow;
use std::collections::BTreeMap;

use btfgen_runtime::KernelId;
use glob::Pattern;

use crate::diagnose::{Diagnosis, KernelFindingsId, Layout};
use crate::facts::Facts;
use crate::hub::file::{HubFile, HubFileError, KernelSet};
use crate::memo::{Id, Memo};
use crate::object::Object;
use crate::requirements::{Requirements, RequirementsError};
use crate::resolve::Roots;
use answer::Answer;
use features::Judge;
use flows::SectionFlows;
use kernels::Kernels;
use object::ObjectForecaster;
use reasons::{Context, KernelReasons, Reasons};

pub use data::{
    Forecast, ObjectForecast, Outcome, OutcomeId, ProgramForecast, Reason, ReasonId, Requirement, Verdict,
};
pub(crate) use gate::failing;
pub use gate::{Broken, Gate, GateError, Require, Unknown, program_glob};
pub use kernels::Deployment;
pub use program_names::NoSuchProgram;

/// What a forecast assumes of the programs and their deployment.
#[derive(Debug, Clone, Default)]
pub struct Assumptions {
    /// Programs, by globs over their names, that count for neither the object nor warnings.
    pub optional: Vec<Pattern>,
    /// Attach targets by program name, written as after the slash in `SEC()`.
    pub targets: BTreeMap<String, String>,
    /// Which BTF programs load with.
    pub deployment: Deployment,
}

/// The result of the diagnosis on a kernel.
pub(crate) enum KernelState {
    /// Its findings.
    Diagnosed(KernelFindingsId),
    /// Why its BTF cannot be used.
    Unusable(String),
}

/// The inputs of a forecast.
pub(crate) struct Inputs<'a> {
    pub(crate) objects: &'a [Object],
    pub(crate) roots: &'a Roots,
    pub(crate) hub: &'a HubFile,
    /// The kernels to judge.
    pub(crate) kernels: Vec<(KernelId, KernelState)>,
    pub(crate) layout: &'a Layout,
    pub(crate) diagnosis: &'a Diagnosis,
    pub(crate) assumptions: &'a Assumptions,
}

/// Why there is no forecast.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForecastError {
    /// An object's requirements cannot be found.
    #[error("cannot find the requirements of object {object}")]
    Requirements {
        /// The object's name.
        object: String,
        /// What is malformed.
        source: RequirementsError,
    },
    /// The hub file is damaged.
    #[error(transparent)]
    Hub(#[from] HubFileError),
    /// An assumption is about no program.
    #[error("{assumption} {program}")]
    NoProgram {
        /// `optional` or `targets`.
        assumption: &'static str,
        /// What matches no program.
        program: NoSuchProgram,
    },
}

impl Assumptions {
    /// Checks that each names a program, so that a typo is an error.
    fn check(&self, objects: &[ObjectForecast]) -> Result<(), ForecastError> {
        let any = |matches: &dyn Fn(&str) -> bool| {
            objects.iter().flat_map(|object| &object.programs).any(|program| matches(&program.name))
        };
        let optional = self.optional.iter().filter(|glob| !any(&|name| glob.matches(name)));
        let optional = optional.map(|glob| ("optional", glob.as_str()));
        let targets = self.targets.keys().filter(|own| !any(&|name| name == *own));
        let targets = targets.map(|name| ("targets", name.as_str()));
        match optional.chain(targets).next() {
            Some((assumption, name)) => {
                Err(ForecastError::NoProgram { assumption, program: NoSuchProgram::new(name, objects) })
            }
            None => Ok(()),
        }
    }
}

/// Forecasts each program of the objects on each kernel.
pub(crate) fn forecast(inputs: &Inputs<'_>) -> Result<Forecast, ForecastError> {
    let Inputs { objects, roots, hub, kernels, layout, diagnosis, assumptions } = inputs;
    let judge = Judge { facts: Facts::new(hub)?, kernels: Kernels::new(hub, assumptions.deployment) };
    let mut reasons = Reasons::default();
    // By index in the hub.
    let mut judged = Vec::new();
    let mut usable = KernelSet::new();
    let mut findings: Memo<usize, KernelFindingsId> = Memo::default();
    let mut common = KernelReasons(vec![Vec::new(); hub.kernels().len()]);
    for (id, state) in kernels {
        let Some(kernel) = hub.find(id) else { continue };
        judged.push(kernel);
        match state {
            KernelState::Diagnosed(id) => {
                usable.insert(kernel);
                findings.insert(kernel, *id);
            }
            KernelState::Unusable(why) => {
                let requirement = Requirement::new(data::UNUSABLE_BTF, "", None);
                let only = std::iter::once(kernel).collect::<KernelSet>();
                let answer = Answer::new(requirement, usable.clone()).doubt(
                    Verdict::Unknown,
                    why.clone(),
                    only.clone(),
                );
                reasons.add(&answer, &Context::default(), &only, &mut common);
            }
        }
    }
    let mut forecasts = Vec::new();
    let mut first_section = 0;
    for (object, lookups) in objects.iter().zip(roots.lookups()) {
        let malformed = |source| ForecastError::Requirements { object: object.name().to_owned(), source };
        let requirements = Requirements::with_targets(object, &assumptions.targets).map_err(malformed)?;
        let section_at = |name: &str| {
            let at = object.sections().iter().position(|section| *section.name == *name)?;
            Some(first_section + at)
        };
        let names: Vec<&str> = object.code_sections().collect();
        let in_layout: Vec<Option<usize>> = names.iter().map(|name| section_at(name)).collect();
        let sections = names.iter().zip(&in_layout).map(|(name, at)| {
            let (states, flow) = match at {
                Some(at) => (Some(&diagnosis.states[*at]), Cow::Borrowed(layout.flow(*at))),
                None => (None, Cow::Owned(object.control_flow(name))),
            };
            SectionFlows::new(object, name, requirements.externs(), flow, states)
        });
        let extern_answers = requirements.externs().iter().map(|own| judge.external(own));
        let mut forecaster = ObjectForecaster {
            judge: &judge,
            object,
            requirements: &requirements,
            roots,
            lookups,
            kernels: &usable,
            sections: sections.collect(),
            extern_answers: extern_answers.collect(),
        };
        let states = |section: usize, kernel: usize| {
            let found = &diagnosis.kernels[findings.get(&kernel)?.index()];
            Some(found.sections[in_layout[section]?])
        };
        let is_optional = |name: &str| assumptions.optional.iter().any(|glob| glob.matches(name));
        forecasts.push(forecaster.forecast(&mut reasons, &states, &judged, &common, &is_optional));
        first_section += object.sections().len();
    }
    assumptions.check(&forecasts)?;
    let records = hub.kernels();
    Ok(Forecast {
        kernels: judged.iter().map(|&kernel| records[kernel].id.clone()).collect(),
        reasons: reasons.reasons,
        available: reasons.available,
        hub: records.iter().map(|record| record.id.clone()).collect(),
        outcomes: reasons.outcomes,
        objects: forecasts,
    })
}
