//! Baseline: an earlier report's forecast, read from its JSON, and what changed since.

use std::collections::BTreeMap;

use btfgen_runtime::KernelId;
use serde::Deserialize;

use super::Count;
use super::document::VERSION;
use super::overview::wrap;
use crate::forecast::{Forecast, ObjectForecast, ProgramForecast, Verdict};
use crate::series::describe;

/// The version of a document, which is read first.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct DocumentVersion {
    version: u32,
}

/// An earlier forecast.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Baseline(OldForecast);

/// Why a baseline cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BaselineError {
    /// It has another version.
    #[error(
        "version {0} of the report is not supported, only {VERSION}; make it again with \"btfgen report --format json\""
    )]
    Version(u32),
    /// An index is past the end of its table.
    #[error("{what} {index} does not exist")]
    Index {
        /// The kind of index.
        what: &'static str,
        /// The index.
        index: usize,
    },
    /// A program has not one outcome for each group of kernels.
    #[error("{program:?} has {outcomes} outcomes for {groups} groups of kernels")]
    Outcomes {
        /// The program's or object's name.
        program: String,
        /// The number of outcomes.
        outcomes: usize,
        /// The number of groups.
        groups: usize,
    },
}

#[derive(Deserialize)]
struct Unchecked {
    forecast: OldForecast,
}

#[derive(Debug, Deserialize)]
struct OldForecast {
    kernels: Vec<OldKernel>,
    reasons: Vec<OldReason>,
    outcomes: Vec<OldOutcome>,
    objects: Vec<OldObject>,
}

#[derive(Debug, Deserialize)]
struct OldKernel {
    id: String,
    group: usize,
}

#[derive(Debug, Deserialize)]
struct OldReason {
    verdict: Verdict,
    requirement: OldRequirement,
    why: String,
}

#[derive(Debug, Deserialize)]
struct OldRequirement {
    kind: String,
    name: String,
}

#[derive(Debug, Deserialize)]
struct OldOutcome {
    verdict: Verdict,
    reasons: Vec<usize>,
}

#[derive(Debug, Deserialize)]
struct OldObject {
    #[serde(flatten)]
    whole: OldProgram,
    programs: Vec<OldProgram>,
}

#[derive(Debug, Deserialize)]
struct OldProgram {
    name: String,
    optional: bool,
    outcomes: Vec<usize>,
}

impl DocumentVersion {
    /// Checks that the version is supported.
    ///
    /// # Errors
    /// If it is not.
    pub fn check(self) -> Result<(), BaselineError> {
        if self.version == VERSION { Ok(()) } else { Err(BaselineError::Version(self.version)) }
    }
}

impl TryFrom<Unchecked> for Baseline {
    type Error = BaselineError;

    fn try_from(Unchecked { forecast }: Unchecked) -> Result<Self, BaselineError> {
        let check = |what, indices: &[usize], len: usize| match indices.iter().find(|index| **index >= len) {
            Some(&index) => Err(BaselineError::Index { what, index }),
            None => Ok(()),
        };
        let OldForecast { kernels, reasons, outcomes, objects } = &forecast;
        let groups = kernels.iter().map(|kernel| kernel.group.saturating_add(1)).max().unwrap_or_default();
        for outcome in outcomes {
            check("reason", &outcome.reasons, reasons.len())?;
        }
        for own in objects.iter().flat_map(|object| std::iter::once(&object.whole).chain(&object.programs)) {
            check("outcome", &own.outcomes, outcomes.len())?;
            if own.outcomes.len() != groups {
                let (program, outcomes) = (own.name.clone(), own.outcomes.len());
                return Err(BaselineError::Outcomes { program, outcomes, groups });
            }
        }
        Ok(Self(forecast))
    }
}

/// How the forecast differs from a baseline, for the kernels, objects and programs that both have.
#[derive(Debug, Default)]
pub struct Changes<'f> {
    forecast: Option<&'f Forecast>,
    changes: BTreeMap<Change<'f>, Vec<usize>>,
    compared: usize,
    /// What only one of the two has.
    unmatched: Vec<String>,
}

/// A change of a program on some kernels. The order is that of printing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Change<'f> {
    is_better: bool,
    object: &'f str,
    /// None: the object as a whole.
    program: Option<&'f str>,
    from: Verdict,
    to: Verdict,
    /// The new reasons if it is worse, the former ones if it is better.
    reasons: Vec<String>,
}

impl Baseline {
    /// What changed.
    pub fn changes<'f>(&self, forecast: &'f Forecast) -> Changes<'f> {
        let old = &self.0;
        let old_kernels: BTreeMap<&str, usize> =
            old.kernels.iter().enumerate().map(|(index, kernel)| (kernel.id.as_str(), index)).collect();
        let kernels = forecast.kernels.iter().enumerate();
        let kernels: Vec<(usize, usize)> =
            kernels.filter_map(|(new, id)| Some((new, *old_kernels.get(id.as_str())?))).collect();
        let mut changes = Changes { forecast: Some(forecast), ..Changes::default() };
        changes.unmatched("kernel", old.kernels.len(), forecast.kernels.len(), kernels.len());
        let old_objects: BTreeMap<&str, &OldObject> =
            old.objects.iter().map(|object| (object.whole.name.as_str(), object)).collect();
        let mut objects = 0;
        for object in &forecast.objects {
            if let Some(old) = old_objects.get(object.whole.name.as_str()) {
                objects += 1;
                self.object(old, object, &kernels, &mut changes);
            }
        }
        changes.unmatched("object", old.objects.len(), forecast.objects.len(), objects);
        changes
    }

    fn object<'f>(
        &self,
        old: &OldObject,
        object: &'f ObjectForecast,
        kernels: &[(usize, usize)],
        changes: &mut Changes<'f>,
    ) {
        let name = object.whole.name.as_str();
        let old_programs: BTreeMap<&str, &OldProgram> =
            old.programs.iter().map(|program| (program.name.as_str(), program)).collect();
        let mut programs = 0;
        for program in &object.programs {
            if let Some(old) = old_programs.get(program.name.as_str()) {
                programs += 1;
                self.program(old, program, (name, Some(&program.name)), kernels, changes);
            }
        }
        changes.unmatched("program", old.programs.len(), object.programs.len(), programs);
        // With other programs the object as a whole is another one. What its programs have is not repeated.
        let required = old.programs.iter().filter(|program| !program.optional).map(|program| &program.name);
        if required.eq(object
            .programs
            .iter()
            .filter(|program| !program.optional)
            .map(|program| &program.name))
        {
            let known: Vec<usize> = changes.kernels_of(name);
            let kernels: Vec<_> =
                kernels.iter().filter(|(kernel, _)| !known.contains(kernel)).copied().collect();
            self.program(&old.whole, &object.whole, (name, None), &kernels, changes);
        }
    }

    fn program<'f>(
        &self,
        old: &OldProgram,
        new: &ProgramForecast,
        (object, program): (&'f str, Option<&'f str>),
        kernels: &[(usize, usize)],
        changes: &mut Changes<'f>,
    ) {
        let Some(forecast) = changes.forecast else { return };
        for &(kernel, old_kernel) in kernels {
            let before = &self.0.outcomes[old.outcomes[self.0.kernels[old_kernel].group]];
            let now = forecast.outcome(new, kernel);
            changes.compared += usize::from(program.is_some());
            if before.verdict == now.verdict {
                continue;
            }
            let is_better = now.verdict < before.verdict;
            let before_reasons = before.reasons.iter().map(|&index| &self.0.reasons[index]);
            let now_reasons = now.reasons.iter().map(|id| &forecast.reasons[id.0]);
            let reasons = match is_better {
                true => before_reasons
                    .filter(|reason| reason.verdict > now.verdict)
                    .map(|OldReason { requirement: OldRequirement { kind, name }, why, .. }| {
                        match name.is_empty() {
                            true => format!("{kind}: {why}"),
                            false => format!("{kind} {name}: {why}"),
                        }
                    })
                    .collect(),
                false => {
                    now_reasons.filter(|it| it.verdict > before.verdict).map(ToString::to_string).collect()
                }
            };
            let (from, to) = (before.verdict, now.verdict);
            let change = Change { is_better, object, program, from, to, reasons };
            changes.changes.entry(change).or_default().push(kernel);
        }
    }
}

impl Changes<'_> {
    /// The number of verdicts that are worse.
    pub fn worse(&self) -> usize {
        self.count(false)
    }

    fn count(&self, is_better: bool) -> usize {
        let own = self.changes.iter().filter(|(change, _)| change.is_better == is_better);
        own.map(|(_, kernels)| kernels.len()).sum()
    }

    fn kernels_of(&self, object: &str) -> Vec<usize> {
        let own = self.changes.iter().filter(|(change, _)| change.object == object);
        own.flat_map(|(_, kernels)| kernels).copied().collect()
    }

    fn unmatched(&mut self, noun: &'static str, old: usize, new: usize, both: usize) {
        let only = |count: usize, side: &str| {
            (count > both).then(|| format!("{} only {side}", Count(count - both, noun)))
        };
        self.unmatched
            .extend([only(old, "in the baseline"), only(new, "in this report")].into_iter().flatten());
    }

    /// What changed, worse first; programs with the same change share it.
    pub fn text(&self) -> String {
        let Some(forecast) = self.forecast else { return String::new() };
        let all: Vec<&KernelId> = forecast.kernels.iter().collect();
        let mut groups: Vec<(&Change<'_>, &Vec<usize>, Vec<String>)> = Vec::new();
        for (change, kernels) in &self.changes {
            let name = match change.program {
                Some(program) => format!("{}: {program}", change.object),
                None => format!("the whole object {}", change.object),
            };
            let key = |it: &Change<'_>| (it.is_better, it.from, it.to, it.reasons.clone());
            match groups.iter_mut().find(|(other, of, _)| key(other) == key(change) && *of == kernels) {
                Some((_, _, names)) => names.push(name),
                None => groups.push((change, kernels, vec![name])),
            }
        }
        let mut lines = Vec::new();
        for (change, kernels, names) in groups {
            let (how, when) = if change.is_better { ("better", "was") } else { ("worse", "now") };
            let kernels: Vec<&KernelId> = kernels.iter().map(|&kernel| all[kernel]).collect();
            let start = format!("{how}: {}, was {}, on ", change.to, change.from);
            lines.extend(wrap(&start, &describe(&kernels, &all), 4));
            lines.extend(wrap("  ", &names, 4));
            lines.extend(change.reasons.iter().map(|reason| format!("    {when}: {reason}")));
            lines.push(String::new());
        }
        lines.push(format!(
            "compared {} with the baseline: {} worse, {} better",
            Count(self.compared, "verdict"),
            self.worse(),
            self.count(true)
        ));
        if !self.unmatched.is_empty() {
            lines.push(format!("not compared: {}", self.unmatched.join(", ")));
        }
        lines.join("\n") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::{OutcomeId, testing};

    /// A forecast as its JSON is read.
    fn old(forecast: &Forecast) -> Unchecked {
        let program = |own: &ProgramForecast| OldProgram {
            name: own.name.clone(),
            optional: own.optional,
            outcomes: own.outcomes.iter().map(|id| id.0).collect(),
        };
        let reasons = forecast.reasons.iter().map(|reason| OldReason {
            verdict: reason.verdict,
            requirement: OldRequirement {
                kind: reason.requirement.kind.to_owned(),
                name: reason.requirement.name.clone(),
            },
            why: reason.why.clone(),
        });
        let outcomes = forecast.outcomes.iter().map(|own| OldOutcome {
            verdict: own.verdict,
            reasons: own.reasons.iter().map(|id| id.0).collect(),
        });
        let objects = forecast.objects.iter().map(|own| OldObject {
            whole: program(&own.whole),
            programs: own.programs.iter().map(program).collect(),
        });
        // Each kernel is a group of its own.
        let kernels = forecast.kernels.iter().enumerate();
        let kernels = kernels.map(|(group, id)| OldKernel { id: id.to_string(), group });
        Unchecked {
            forecast: OldForecast {
                kernels: kernels.collect(),
                reasons: reasons.collect(),
                outcomes: outcomes.collect(),
                objects: objects.collect(),
            },
        }
    }

    #[test]
    fn finds_what_changed() {
        let check = |before: &Forecast, now: &Forecast, worse: usize, expect: &[&str]| {
            let baseline = Baseline::try_from(old(before)).unwrap();
            let changes = baseline.changes(now);
            assert_eq!(changes.text().lines().collect::<Vec<_>>(), expect);
            assert_eq!(changes.worse(), worse);
        };
        let forecast = testing::forecast();
        check(&forecast, &forecast, 0, &["compared 16 verdicts with the baseline: 0 worse, 0 better"]);

        // The third kernel: unknown for exec, and so for the object.
        let mut runs = forecast.clone();
        runs.objects[0].whole.outcomes[2] = OutcomeId(0);
        runs.objects[0].programs[0].outcomes[2] = OutcomeId(0);
        let kernel = "debian/12/x86_64/6.1.0-51-amd64";
        check(
            &runs,
            &forecast,
            1,
            &[
                &format!("worse: unknown, was runs, on {kernel}"),
                "  a.o: exec",
                "    now: helper b: missing",
                "    now: helper a: missing",
                "",
                "compared 16 verdicts with the baseline: 1 worse, 0 better",
            ],
        );
        check(
            &forecast,
            &runs,
            0,
            &[
                &format!("better: runs, was unknown, on {kernel}"),
                "  a.o: exec",
                "    was: helper b: missing",
                "    was: helper a: missing",
                "",
                "compared 16 verdicts with the baseline: 0 worse, 1 better",
            ],
        );

        // The object alone, because of its maps.
        let mut whole = forecast.clone();
        whole.objects[1].whole.outcomes[3] = OutcomeId(4);
        check(
            &forecast,
            &whole,
            1,
            &[
                "worse: fails, was runs, on ubuntu/20.04/x86_64/5.4.0-84-generic",
                "  the whole object b.o",
                "    now: helper d: missing",
                "    now: helper c: missing",
                "    now: helper b: missing",
                "",
                "compared 16 verdicts with the baseline: 1 worse, 0 better",
            ],
        );

        // What only one side has is not compared, nor an object of other programs.
        let mut fewer = runs.select(|id| id.version() != "11", |_| true);
        fewer.objects[0].programs.remove(1);
        fewer.objects[0].whole.outcomes.fill(OutcomeId(0));
        fewer.objects.pop();
        check(
            &forecast,
            &fewer,
            0,
            &[
                &format!("better: runs, was unknown, on {kernel}"),
                "  a.o: exec",
                "    was: helper b: missing",
                "    was: helper a: missing",
                "",
                "compared 6 verdicts with the baseline: 0 worse, 1 better",
                "not compared: 1 kernel only in the baseline, 1 program only in the baseline, 1 object only in the baseline",
            ],
        );
    }

    #[test]
    fn refuses_what_does_not_fit_together() {
        let check = |change: fn(&mut OldForecast), expect: BaselineError| {
            let mut unchecked = old(&testing::forecast());
            change(&mut unchecked.forecast);
            assert_eq!(Baseline::try_from(unchecked).unwrap_err(), expect);
        };
        check(|old| old.outcomes[4].reasons[0] = 4, BaselineError::Index { what: "reason", index: 4 });
        let outcome = BaselineError::Index { what: "outcome", index: usize::MAX };
        check(|old| old.objects[1].programs[0].outcomes[3] = usize::MAX, outcome.clone());
        check(|old| old.objects[0].whole.outcomes[0] = usize::MAX, outcome);
        let outcomes =
            |outcomes, groups| BaselineError::Outcomes { program: "a.o".to_owned(), outcomes, groups };
        check(|old| old.kernels.clear(), outcomes(4, 0));
        check(|old| old.kernels[0].group = usize::MAX, outcomes(4, usize::MAX));
        check(|old| old.objects[0].whole.outcomes.clear(), outcomes(0, 4));
        assert_eq!(DocumentVersion { version: VERSION }.check(), Ok(()));
        assert_eq!(DocumentVersion { version: 0 }.check(), Err(BaselineError::Version(0)));
    }
}
