//! Gate: which programs must run on which kernels, and which of them do not.

use std::collections::{BTreeMap, BTreeSet};

use btfgen_runtime::KernelId;
use glob::Pattern;

use super::data::{Forecast, ObjectForecast, OutcomeId, ProgramForecast, ReasonId, Verdict};
use super::program_names::NoSuchProgram;
use crate::hub::{FilterError, KernelGlob, Near};

/// What must run where. A program that is `likely` to run passes.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    /// The required programs and kernels.
    pub require: Vec<Require>,
    /// Whether `unknown` passes.
    pub unknown: Unknown,
}

/// Whether a required program passes if it is unknown whether it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    /// It passes.
    #[default]
    Allow,
    /// It does not pass.
    Deny,
}

/// Programs that must run on some kernels.
#[derive(Debug, Clone)]
pub struct Require {
    kernels: Vec<KernelGlob>,
    programs: Vec<Pattern>,
}

/// Programs of an object that do not pass on some kernels, all for the same reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The object, by its index in [`Forecast::objects`].
    pub object: usize,
    /// The programs, by their indices in the object; none if it is the object's maps or symbols.
    pub programs: Vec<usize>,
    /// The kernels, by their indices in [`Forecast::kernels`].
    pub kernels: Vec<usize>,
    /// [`Verdict::Fails`], or [`Verdict::Unknown`] if that is denied.
    pub verdict: Verdict,
    /// The reasons that do not pass, worst first.
    pub reasons: Vec<ReasonId>,
}

/// Why a gate is invalid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// A text is not a glob over kernel ids.
    #[error(transparent)]
    KernelGlob(#[from] FilterError),
    /// A text is not a glob over program names.
    #[error("{glob:?} is not a glob over program names")]
    ProgramGlob {
        /// The text.
        glob: String,
        /// What is wrong with it.
        source: glob::PatternError,
    },
    /// There are no kernel globs.
    #[error("require names no kernel: list globs over kernel ids, such as \"debian/12/**\"")]
    NoKernels,
    /// A glob matches no kernel of the hub.
    #[error("require {glob:?} matches no kernel; {near}")]
    NoKernel {
        /// The glob.
        glob: String,
        /// The nearest kernels.
        near: Near,
    },
    /// A glob matches only kernels of the hub that are not wanted.
    #[error("require {glob:?} matches only kernels that include and exclude leave out, such as {kernel}")]
    LeftOut {
        /// The glob.
        glob: String,
        /// The first of the kernels.
        kernel: KernelId,
    },
    /// A glob matches no program.
    #[error("require {0}")]
    NoProgram(NoSuchProgram),
}

/// Parses a glob over program names.
///
/// # Errors
/// When the text is not a glob.
pub fn program_glob(glob: &str) -> Result<Pattern, GateError> {
    Pattern::new(glob).map_err(|source| GateError::ProgramGlob { glob: glob.to_owned(), source })
}

impl Require {
    /// Requires programs on kernels, by globs over program names and kernel ids.
    ///
    /// A program that a glob matches is judged alone, even if it is optional. With no program globs, it requires all
    /// non-optional programs and their objects' maps and symbols.
    ///
    /// # Errors
    /// When a text is not a glob, or there is none over kernel ids.
    pub fn new<S: AsRef<str>>(kernels: &[S], programs: &[S]) -> Result<Self, GateError> {
        if kernels.is_empty() {
            return Err(GateError::NoKernels);
        }
        let kernels = kernels.iter().map(|glob| KernelGlob::new(glob.as_ref())).collect::<Result<_, _>>()?;
        let programs = programs.iter().map(|glob| program_glob(glob.as_ref())).collect::<Result<_, _>>()?;
        Ok(Self { kernels, programs })
    }

    /// Checks that each glob matches something, so that a typo is an error.
    ///
    /// Kernels of architectures that are not wanted count as matched: a build is for one of them.
    fn check(&self, forecast: &Forecast) -> Result<(), GateError> {
        let archs: BTreeSet<&str> = forecast.kernels.iter().map(KernelId::arch).collect();
        for glob in &self.kernels {
            if forecast.kernels.iter().any(|kernel| glob.matches(kernel)) {
                continue;
            }
            let matched: Vec<&KernelId> = forecast.hub.iter().filter(|kernel| glob.matches(kernel)).collect();
            let glob = glob.as_str().to_owned();
            let Some(&first) = matched.first() else {
                let near = Near::to(&glob, &forecast.hub.iter().collect::<Vec<_>>());
                return Err(GateError::NoKernel { near, glob });
            };
            if matched.iter().any(|kernel| archs.contains(kernel.arch())) {
                return Err(GateError::LeftOut { glob, kernel: first.clone() });
            }
        }
        let programs = || forecast.objects.iter().flat_map(|object| &object.programs);
        match self.programs.iter().find(|glob| !programs().any(|program| glob.matches(&program.name))) {
            Some(glob) => Err(GateError::NoProgram(NoSuchProgram::new(glob.as_str(), &forecast.objects))),
            None => Ok(()),
        }
    }

    fn requires(&self, program: &ProgramForecast) -> bool {
        match self.programs.as_slice() {
            [] => !program.optional,
            globs => globs.iter().any(|glob| glob.matches(&program.name)),
        }
    }
}

impl Gate {
    /// What is required and does not pass, in the order of objects and programs.
    ///
    /// # Errors
    /// When a glob matches nothing.
    pub fn check(&self, forecast: &Forecast) -> Result<Vec<Broken>, GateError> {
        let mut required = Required::default();
        for require in &self.require {
            require.check(forecast)?;
            let kernels = (0..forecast.kernels.len())
                .filter(|&kernel| require.kernels.iter().any(|glob| glob.matches(&forecast.kernels[kernel])));
            let kernels: BTreeSet<usize> = kernels.collect();
            for (object, own) in forecast.objects.iter().enumerate() {
                for (program, it) in own.programs.iter().enumerate() {
                    if require.requires(it) {
                        required.add((object, Some(program)), &kernels);
                    }
                }
                if require.programs.is_empty() {
                    required.add((object, None), &kernels);
                }
            }
        }
        let worst_passing = match self.unknown {
            Unknown::Allow => Verdict::Unknown,
            Unknown::Deny => Verdict::Likely,
        };
        Ok(required.broken(forecast, worst_passing))
    }
}

/// The programs that fail on some kernels and are not optional, and the objects that fail besides.
pub(crate) fn failing(forecast: &Forecast, kernels: &BTreeSet<usize>) -> Vec<Broken> {
    let mut all = Required::default();
    for (object, own) in forecast.objects.iter().enumerate() {
        let programs = (0..own.programs.len()).filter(|&program| !own.programs[program].optional);
        programs.for_each(|program| all.add((object, Some(program)), kernels));
        all.add((object, None), kernels);
    }
    all.broken(forecast, Verdict::Unknown)
}

/// A program of an object, or what the object as a whole needs besides its programs.
type Subject = (usize, Option<usize>);

/// What programs of an object have in common that are broken alike.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Alike {
    object: usize,
    is_program: bool,
    kernels: Vec<usize>,
    reasons: Vec<ReasonId>,
}

/// On which kernels each subject is required.
#[derive(Default)]
struct Required(BTreeMap<Subject, BTreeSet<usize>>);

impl Required {
    fn add(&mut self, subject: Subject, kernels: &BTreeSet<usize>) {
        self.0.entry(subject).or_default().extend(kernels);
    }

    /// What has a worse verdict than passes.
    fn broken(&self, forecast: &Forecast, worst_passing: Verdict) -> Vec<Broken> {
        // Kernels with the same outcomes are looked at once.
        let mut cases: BTreeMap<(Subject, Vec<OutcomeId>), Vec<usize>> = BTreeMap::new();
        for (&(object, program), kernels) in &self.0 {
            let own = &forecast.objects[object];
            for &kernel in kernels {
                let outcomes = match program {
                    Some(program) => vec![own.programs[program].outcomes[kernel]],
                    None => whole_outcomes(own, kernel),
                };
                if forecast.outcomes[outcomes[0].0].verdict > worst_passing {
                    cases.entry(((object, program), outcomes)).or_default().push(kernel);
                }
            }
        }
        // Programs that are broken alike are listed together.
        let mut alike: BTreeMap<Alike, Vec<usize>> = BTreeMap::new();
        for (((object, program), outcomes), kernels) in cases {
            let reasons = own_reasons(forecast, &outcomes, worst_passing);
            if !reasons.is_empty() {
                let is_program = program.is_some();
                alike.entry(Alike { object, is_program, kernels, reasons }).or_default().extend(program);
            }
        }
        let broken = alike.into_iter().map(|(Alike { object, kernels, reasons, .. }, programs)| {
            let verdict = reasons.iter().map(|id| forecast.reasons[id.0].verdict).max().unwrap_or_default();
            Broken { object, programs, kernels, verdict, reasons }
        });
        let mut broken: Vec<Broken> = broken.collect();
        broken.sort_by(|a, b| (a.object, &a.programs, &a.kernels).cmp(&(b.object, &b.programs, &b.kernels)));
        broken
    }
}

/// The outcome of an object on a kernel, then those of the programs that it consists of.
fn whole_outcomes(object: &ObjectForecast, kernel: usize) -> Vec<OutcomeId> {
    let programs = object.programs.iter().filter(|program| !program.optional);
    std::iter::once(&object.whole).chain(programs).map(|it| it.outcomes[kernel]).collect()
}

/// The reasons of the first outcome that do not pass, without requirements of the other outcomes.
fn own_reasons(forecast: &Forecast, outcomes: &[OutcomeId], worst_passing: Verdict) -> Vec<ReasonId> {
    let reasons = |id: &OutcomeId| forecast.outcomes[id.0].reasons.iter().copied();
    let others: BTreeSet<_> =
        outcomes[1..].iter().flat_map(reasons).map(|id| &forecast.reasons[id.0].requirement).collect();
    let own = reasons(&outcomes[0]).filter(|id| {
        let reason = &forecast.reasons[id.0];
        reason.verdict > worst_passing && !others.contains(&reason.requirement)
    });
    own.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::testing::forecast;

    fn check(require: &[(&[&str], &[&str])], unknown: Unknown) -> Result<Vec<String>, String> {
        let require = require.iter().map(|(kernels, programs)| Require::new(kernels, programs));
        let require = require.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        let broken = Gate { require, unknown }.check(&forecast()).map_err(|error| error.to_string())?;
        let text = |it: &Broken| {
            let Broken { object, programs, kernels, verdict, reasons } = it;
            let reasons: Vec<usize> = reasons.iter().map(|id| id.0).collect();
            format!("{object} {programs:?} {verdict} on {kernels:?} for {reasons:?}")
        };
        Ok(broken.iter().map(text).collect())
    }

    #[test]
    fn finds_what_is_broken() {
        let passes: [&str; 0] = [];
        let holds = |require: &[(&[&str], &[&str])], unknown, expect: &[&str]| {
            assert_eq!(check(require, unknown).unwrap(), expect, "{require:?}");
        };
        holds(&[], Unknown::Deny, &passes);
        // Optional programs do not count, what is likely passes, and so does what is unknown.
        holds(&[(&["debian/12/**", "ubuntu/**"], &[])], Unknown::Allow, &passes);
        holds(
            &[(&["**"], &[])],
            Unknown::Allow,
            &[
                "0 [0, 1] fails on [0] for [2]",
                // What the object requires besides its programs.
                "1 [] fails on [0] for [3]",
                "1 [0] fails on [0] for [2]",
            ],
        );
        holds(
            &[(&["debian/*/*/*"], &["ex*"])],
            Unknown::Deny,
            &[
                "0 [0] unknown on [2] for [1]",
                "0 [0, 1] fails on [0] for [2, 1]",
                "0 [2] fails on [0, 1, 2] for [2, 1]",
            ],
        );
        // A named program counts although it is optional, and alone.
        holds(&[(&["ubuntu/**"], &["*_btf"])], Unknown::Allow, &["0 [2] fails on [3] for [2]"]);
        holds(
            &[(&["debian/11/**"], &["exit"]), (&["debian/11/**", "ubuntu/**"], &["exit", "open"])],
            Unknown::Allow,
            &["0 [1] fails on [0] for [2]", "1 [0] fails on [0] for [2]"],
        );
        // A build for one architecture leaves out the kernels of others.
        holds(&[(&["debian/12/arm64/*"], &[])], Unknown::Deny, &passes);
    }

    #[test]
    fn refuses_globs_that_match_nothing() {
        let refuses = |kernels: &[&str], programs: &[&str], expect: &str| {
            assert_eq!(check(&[(kernels, programs)], Unknown::Allow).unwrap_err(), expect);
        };
        refuses(
            &["**", "debian/12/x86_64/6.1.0-52-amd64"],
            &[],
            "require \"debian/12/x86_64/6.1.0-52-amd64\" matches no kernel; nearest: debian/12/x86_64/6.1.0-50-amd64, \
             debian/12/x86_64/6.1.0-51-amd64; the hub has debian/11/x86_64, debian/12/arm64, debian/12/x86_64, debian/13/x86_64, \
             ubuntu/20.04/x86_64",
        );
        refuses(
            &["debian/13/**"],
            &[],
            "require \"debian/13/**\" matches only kernels that include and exclude leave out, such as \
             debian/13/x86_64/6.12.0-1-amd64",
        );
        refuses(&["**"], &["exek"], "require \"exek\" matches no program; nearest of 4: exec, exit, open");
        refuses(&["[x"], &[], "\"[x\" is not a glob over kernel ids");
        refuses(&["**"], &["[x"], "\"[x\" is not a glob over program names");
        refuses(
            &[],
            &["exec"],
            "require names no kernel: list globs over kernel ids, such as \"debian/12/**\"",
        );
    }
}
