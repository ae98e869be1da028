//! Data: the forecast as values.

use std::fmt;

use btfgen_runtime::KernelId;
use serde::{Deserialize, Serialize};

use super::nearest::HubKernels;
use crate::hub::file::KernelSet;
use crate::requirements::Version;

/// Whether a program runs on a kernel, ordered from best to worst.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every requirement is known to be met.
    #[default]
    Runs,
    /// All that BTF tells is there; whether a function is attachable is not known.
    Likely,
    /// A requirement may be missing; the reasons say what to check.
    Unknown,
    /// A requirement is missing for certain.
    Fails,
}

impl Verdict {
    /// All verdicts, in the order of reports.
    pub const ALL: [Self; 4] = [Self::Runs, Self::Likely, Self::Fails, Self::Unknown];

    /// Its name, such as `runs`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Likely => "likely",
            Self::Unknown => "unknown",
            Self::Fails => "fails",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that a program needs of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Requirement {
    /// Its kind, such as `helper`.
    pub kind: &'static str,
    /// Its name, such as `bpf_ringbuf_output`.
    pub name: String,
    /// The first upstream version that has it.
    #[serde(serialize_with = "as_text_if_any")]
    pub since: Option<Version>,
}

impl Requirement {
    pub(super) fn new(kind: &'static str, name: impl Into<String>, since: Option<Version>) -> Self {
        Self { kind, name: name.into(), since }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if !self.name.is_empty() {
            write!(f, " {}", self.name)?;
        }
        match self.since {
            Some(since) => write!(f, " (since {since})"),
            None => Ok(()),
        }
    }
}

/// A reason, by its index in [`Forecast::reasons`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ReasonId(pub usize);

/// An outcome, by its index in [`Forecast::outcomes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct OutcomeId(pub usize);

/// Why a program may not run on some kernels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Reason {
    /// The verdict that it leads to; a program's verdict is the worst of its reasons.
    pub verdict: Verdict,
    /// What is required.
    pub requirement: Requirement,
    /// Why it is missing, or why that is not known.
    pub why: String,
    /// The C line of the first instruction that needs it, as `file:line`.
    pub line: Option<String>,
    /// That line's text.
    pub text: Option<String>,
    /// The setting or kconfig value on which all instructions that need it depend.
    pub setting: Option<String>,
}

// Why something is unknown for want of facts, which vendoring the kernel's package or image adds to the hub.
pub(super) const NO_FUNCTIONS: &str = "the functions of this kernel are not known";
pub(super) const UNKNOWN_BTF: &str =
    "whether there is one is not known; vendor the kernel's package, or look for /sys/kernel/btf/vmlinux";

/// The kind of requirement for a kernel whose BTF cannot be used.
pub(super) const UNUSABLE_BTF: &str = "BTF of the kernel";

impl Reason {
    /// Whether it is unknown only because the hub lacks facts about this kernel.
    pub(crate) fn is_gap(&self) -> bool {
        self.verdict == Verdict::Unknown && [NO_FUNCTIONS, UNKNOWN_BTF].contains(&&*self.why)
    }

    /// What to do about something that is not known.
    pub fn check(&self) -> Option<String> {
        let text = match &self.setting {
            _ if self.verdict != Verdict::Unknown => return None,
            Some(setting) => format!("see which value the loader gives to {setting}"),
            None if self.is_gap() => {
                "add the kernel's package or image to the hub with \"btfgen vendor\"".to_owned()
            }
            None if self.requirement.kind == UNUSABLE_BTF => {
                "compile the object for the kernel's byte order, or vendor the kernel again".to_owned()
            }
            None => "load and attach the program on this kernel, for example in a virtual machine".to_owned(),
        };
        Some(text)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.requirement, self.why)?;
        if let Some(line) = &self.line {
            write!(f, ", at {line}")?;
        }
        match &self.setting {
            Some(setting) => write!(f, ", depending on {setting}"),
            None => Ok(()),
        }
    }
}

/// A verdict with its reasons.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Outcome {
    /// The worst verdict of the reasons; [`Verdict::Runs`] if there are none.
    pub verdict: Verdict,
    /// All reasons, not only the first.
    pub reasons: Vec<ReasonId>,
}

/// The verdicts for one program, or for a whole object, on all kernels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramForecast {
    /// The program's or object's name.
    pub name: String,
    /// Whether it counts for neither the object nor warnings: `SEC("?...")`, or named by `optional`.
    pub optional: bool,
    /// The outcome on each kernel, in the order of [`Forecast::kernels`].
    pub outcomes: Vec<OutcomeId>,
}

/// The verdicts for an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectForecast {
    /// The object as a whole: its worst program that is not optional, all maps and all strong externs.
    pub whole: ProgramForecast,
    /// Its programs, each as if it were alone.
    pub programs: Vec<ProgramForecast>,
}

/// The verdicts of all programs on all kernels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forecast {
    /// The kernels, ordered by id.
    pub kernels: Vec<KernelId>,
    /// The distinct reasons.
    pub reasons: Vec<Reason>,
    /// For each reason the kernels of the hub that have what is required.
    pub(crate) available: Vec<KernelSet>,
    /// All kernels of the hub.
    pub(crate) hub: HubKernels,
    /// The distinct outcomes.
    pub outcomes: Vec<Outcome>,
    /// The objects, in the order given.
    pub objects: Vec<ObjectForecast>,
}

impl Forecast {
    /// The outcome of a program or object on a kernel.
    pub fn outcome(&self, of: &ProgramForecast, kernel: usize) -> &Outcome {
        &self.outcomes[of.outcomes[kernel].0]
    }

    /// A reason in words for one kernel, with the nearest kernel of the same series that has what is required.
    pub fn describe(&self, id: ReasonId, kernel: usize) -> String {
        let reason = &self.reasons[id.0];
        match self.nearest(id, kernel) {
            Some(nearest) => format!("{reason} (nearest with it: {nearest})"),
            None => reason.to_string(),
        }
    }

    /// The nearest kernel of the hub that has what a reason is about, of the same distribution, version and architecture.
    pub fn nearest(&self, id: ReasonId, kernel: usize) -> Option<&KernelId> {
        let is_missing = self.reasons[id.0].verdict >= Verdict::Unknown;
        self.hub.nearest(&self.kernels[kernel], self.available.get(id.0)?).filter(|_| is_missing)
    }

    /// The kernels of the forecast that have what is missing elsewhere for a reason, as indices in [`Self::kernels`].
    pub(crate) fn available(&self, id: ReasonId) -> Vec<usize> {
        let is_missing = self.reasons[id.0].verdict >= Verdict::Unknown;
        let Some(set) = self.available.get(id.0).filter(|_| is_missing) else { return Vec::new() };
        let has = |kernel: &usize| self.hub.index(&self.kernels[*kernel]).is_some_and(|it| set.contains(it));
        (0..self.kernels.len()).filter(has).collect()
    }

    /// The worst verdict of the objects on each kernel.
    pub fn verdicts(&self) -> Vec<Verdict> {
        if self.objects.is_empty() {
            return Vec::new();
        }
        let worst = |kernel| self.objects.iter().map(|own| self.outcome(&own.whole, kernel).verdict).max();
        (0..self.kernels.len()).map(|kernel| worst(kernel).unwrap_or_default()).collect()
    }

    /// The part of the forecast that is about some kernels and programs, by their ids and names.
    pub fn select(&self, has_kernel: impl Fn(&KernelId) -> bool, has_program: impl Fn(&str) -> bool) -> Self {
        let kernels: Vec<usize> =
            (0..self.kernels.len()).filter(|&it| has_kernel(&self.kernels[it])).collect();
        let of_kernels = |own: &ProgramForecast| ProgramForecast {
            outcomes: kernels.iter().map(|&kernel| own.outcomes[kernel]).collect(),
            ..own.clone()
        };
        let of_object = |own: &ObjectForecast| {
            let programs = own.programs.iter().filter(|program| has_program(&program.name));
            ObjectForecast { whole: of_kernels(&own.whole), programs: programs.map(of_kernels).collect() }
        };
        Self {
            kernels: kernels.iter().map(|&kernel| self.kernels[kernel].clone()).collect(),
            objects: self.objects.iter().map(of_object).filter(|own| !own.programs.is_empty()).collect(),
            ..self.clone()
        }
    }

    /// The number of kernels on which a program or object has a verdict.
    pub fn count(&self, of: &ProgramForecast, verdict: Verdict) -> usize {
        of.outcomes.iter().filter(|id| self.outcomes[id.0].verdict == verdict).count()
    }
}

fn as_text_if_any<S: serde::Serializer>(version: &Option<Version>, serializer: S) -> Result<S::Ok, S::Error> {
    version.map(|version| version.to_string()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_to_check() {
        let check = |verdict, kind, why: &str, setting: Option<&str>, expect: Option<&str>| {
            let (requirement, setting) = (Requirement::new(kind, "a", None), setting.map(str::to_owned));
            let reason =
                Reason { verdict, requirement, why: why.to_owned(), line: None, text: None, setting };
            let got = reason.check();
            assert_eq!(got.as_deref().and_then(|text| text.split(' ').next()), expect, "{reason}");
        };
        check(Verdict::Fails, "helper", "missing", None, None);
        check(Verdict::Likely, "helper", "missing", None, None);
        check(Verdict::Unknown, "helper", "missing", Some("setting debug"), Some("see"));
        check(Verdict::Unknown, "kprobe on", NO_FUNCTIONS, None, Some("add"));
        check(Verdict::Unknown, UNUSABLE_BTF, "malformed", None, Some("compile"));
        check(Verdict::Unknown, "helper", "not known", None, Some("load"));
    }
}
