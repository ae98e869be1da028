//! Comparison: the forecast against what became of the programs in the guests.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::trials::{End, Mode, Trial};
use crate::engine::KernelId;
use crate::shell::Outcome;
use crate::table::{Alignment, table};

/// A verdict of the forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Runs,
    Likely,
    Fails,
    Unknown,
}

impl Verdict {
    const ALL: [Self; 4] = [Self::Runs, Self::Likely, Self::Fails, Self::Unknown];

    fn name(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Likely => "likely",
            Self::Fails => "fails",
            Self::Unknown => "unknown",
        }
    }
}

/// The forecast for one program on one kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Forecast {
    verdict: Verdict,
    reasons: String,
}

/// Forecasts by kernel, mode, object and program.
pub(super) type Forecasts = BTreeMap<(KernelId, Mode, String, String), Forecast>;

/// Adds what `btfgen report --format tsv` prints for one mode.
pub(super) fn read(tsv: &str, mode: Mode, forecasts: &mut Forecasts) -> Outcome {
    for line in tsv.lines() {
        let malformed = || format!("the report has an unexpected line: {line}");
        let [kernel, object, program, verdict, reasons] = line.split('\t').collect::<Vec<_>>()[..] else {
            return Err(malformed().into());
        };
        let verdict = Verdict::ALL.into_iter().find(|it| it.name() == verdict).ok_or_else(malformed)?;
        let key = (kernel.parse()?, mode, object.to_owned(), program.to_owned());
        if forecasts.insert(key, Forecast { verdict, reasons: reasons.to_owned() }).is_some() {
            return Err(format!("the report has two lines for {object} {program} on {kernel}").into());
        }
    }
    Ok(())
}

/// Number of programs by verdict and end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Matrix([[usize; 4]; 4]);

impl Matrix {
    fn add(&mut self, verdict: Verdict, end: End) {
        self.0[verdict as usize][end as usize] += 1;
    }

    /// Programs with this verdict, without those that the verifier refuses for something else.
    fn judged(&self, verdict: Verdict) -> usize {
        let row = &self.0[verdict as usize];
        row[End::Ran as usize] + row[End::NotLoaded as usize] + row[End::NotAttached as usize]
    }

    fn ran(&self, verdict: Verdict) -> usize {
        self.0[verdict as usize][End::Ran as usize]
    }

    fn rows(&self, label: &str) -> Vec<Vec<String>> {
        let row = |(verdict, counts): (Verdict, &[usize; 4])| {
            let mut cells = vec![label.to_owned(), verdict.name().to_owned()];
            cells.extend(counts.iter().map(usize::to_string));
            cells
        };
        let present = |(_, counts): &(Verdict, &[usize; 4])| counts.iter().any(|&count| count > 0);
        Verdict::ALL.into_iter().zip(&self.0).filter(present).map(row).collect()
    }

    /// Which of the promises about verdicts it breaks.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let false_fails = self.ran(Verdict::Fails);
        if false_fails > 0 {
            faults.push(format!("{false_fails} programs run that were forecast to fail"));
        }
        for (verdict, wrong, of) in [(Verdict::Runs, 1, 200), (Verdict::Likely, 3, 100)] {
            let (judged, ran) = (self.judged(verdict), self.ran(verdict));
            if (judged - ran) * of > judged * wrong {
                let name = verdict.name();
                faults.push(format!(
                    "{} of {judged} programs with verdict {name} do not run, more than {wrong} in {of}",
                    judged - ran
                ));
            }
        }
        let all: usize = Verdict::ALL.into_iter().map(|verdict| self.judged(verdict)).sum();
        let unknown = self.judged(Verdict::Unknown);
        if unknown * 10 >= all {
            faults.push(format!("{unknown} of {all} verdicts are unknown, a tenth or more"));
        }
        faults
    }
}

/// The forecast against the trials.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// By kernel.
    matrices: BTreeMap<KernelId, Matrix>,
    /// Wrong verdicts: `fails` that run, `runs` and `likely` that do not.
    wrong: Vec<String>,
    /// What the verifier refuses although no requirement is missing.
    refused: Vec<String>,
    /// Trials without a forecast.
    missing: Vec<String>,
}

/// Compares the forecasts with the trials on these kernels.
pub(super) fn compare(trials: &BTreeMap<KernelId, Vec<Trial>>, forecasts: &Forecasts) -> Comparison {
    let mut comparison = Comparison::default();
    for (kernel, trials) in trials {
        for trial in trials {
            let Trial { object, program, mode, end, why } = trial;
            let name = format!("{kernel} {} {object} {program}", mode.name());
            let key = (kernel.clone(), *mode, object.clone(), program.clone());
            let Some(Forecast { verdict, reasons }) = forecasts.get(&key) else {
                comparison.missing.push(name);
                continue;
            };
            comparison.matrices.entry(kernel.clone()).or_default().add(*verdict, *end);
            let line = || format!("{name}: forecast {}: {reasons}", verdict.name());
            match (verdict, end) {
                (_, End::Refused) => comparison.refused.push(format!("{}\n  guest: {why}", line())),
                (Verdict::Fails, End::Ran) => comparison.wrong.push(format!("{}\n  guest: it runs", line())),
                (Verdict::Runs | Verdict::Likely, End::NotLoaded | End::NotAttached) => {
                    comparison.wrong.push(format!("{}\n  guest: {why}", line()));
                }
                _ => {}
            }
        }
    }
    comparison
}

impl Comparison {
    /// The confusion matrix of each kernel and of all, and what is wrong.
    pub(super) fn text(&self) -> String {
        let head = ["kernel", "forecast", "ran", "did not load", "did not attach", "refused by the verifier"];
        let mut rows: Vec<_> =
            self.matrices.iter().flat_map(|(kernel, matrix)| matrix.rows(kernel.as_str())).collect();
        rows.extend(self.total().rows("all"));
        let mut text = table(&head, &rows, Alignment::Right);
        for (title, lines) in [
            ("Wrong verdicts", &self.wrong),
            ("Refused by the verifier, no requirement missing", &self.refused),
            ("Without a forecast", &self.missing),
        ] {
            if !lines.is_empty() {
                let _ = write!(text, "\n{title}\n{}\n", lines.join("\n"));
            }
        }
        text
    }

    /// Why the forecast does not pass; empty if it does.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = self.total().faults();
        if !self.missing.is_empty() {
            faults.push(format!("{} programs have no forecast", self.missing.len()));
        }
        faults
    }

    fn total(&self) -> Matrix {
        let mut total = Matrix::default();
        for matrix in self.matrices.values() {
            for (sums, counts) in total.0.iter_mut().zip(&matrix.0) {
                sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            }
        }
        total
    }
}

#[cfg(test)]
mod tests;
