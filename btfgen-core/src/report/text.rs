//! Text: the report for people, and its summary.

use std::fmt;

use super::data::{ObjectReport, Problem, ProblemId, Report};
use super::kernels::AffectedKernels;
use crate::memo::Memo;

impl Report {
    /// The whole report, ending with its summary.
    ///
    /// Affected kernels are described in one line for each problem; `verbose` lists them all.
    pub fn text(&self, verbose: bool) -> String {
        let mut lines = Vec::new();
        for object in &self.objects {
            lines.push(format!("{}: {}", object.name, Count(object.relocations, "relocation")));
            lines.extend(object.remarks().into_iter().map(|remark| format!("  {remark}")));
        }
        let affected = AffectedKernels::new(self);
        let mut descriptions: Memo<&[usize], String> = Memo::default();
        for (index, problem) in self.problems.iter().enumerate() {
            let id = ProblemId(index);
            lines.push(problem.to_string());
            if verbose {
                lines.extend(affected.of(id).into_iter().map(|kernel| format!("  {kernel}")));
            } else {
                let key = affected.key(id);
                let description = descriptions.entry(key).or_insert_with(|| affected.describe(id));
                lines.push(format!("  on {description}"));
            }
        }
        lines.extend(self.unused_excludes.iter().map(|glob| unused_exclude(glob)));
        lines.extend(self.hub_notes.iter().map(|note| format!("in the hub: {note}")));
        lines.push(self.to_string());
        lines.join("\n") + "\n"
    }
}

pub(super) fn unused_exclude(glob: &str) -> String {
    format!("exclude {glob:?} matches no kernel")
}

impl ObjectReport {
    /// Remarks on the object, for users.
    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        for failure in &self.failures {
            remarks.push(format!("fails on every kernel: {failure}"));
        }
        remarks.extend(self.target_type_id_remark());
        remarks
    }

    /// A remark on relocations that read a target type id.
    pub(super) fn target_type_id_remark(&self) -> Option<String> {
        let count = self.target_type_ids;
        let read = if count == 1 { "reads" } else { "read" };
        (count > 0).then(|| {
            let count = Count(count, "relocation");
            format!("{count} {read} a target type id; with an embedded BTF it is not the kernel's id")
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable { reason } => f.write_str(reason),
            Self::Relocation { object, program, relocation, spec, line, text, reason } => {
                write!(f, "{object}: {program}: {relocation}: {spec}")?;
                if let Some(line) = line {
                    write!(f, " at {line}")?;
                }
                if let Some(text) = text.as_ref().filter(|text| !text.is_empty()) {
                    write!(f, " `{text}`")?;
                }
                write!(f, ": {reason}")
            }
        }
    }
}

impl fmt::Display for Report {
    /// The summary: objects, kernels, blobs and bytes, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} with {}; {} of {} served by {} of {} bytes",
            Count(self.objects.len(), "object"),
            Count(self.relocations(), "relocation"),
            self.served(),
            Count(self.kernels.len(), "kernel"),
            Count(self.blobs, "distinct BTF"),
            self.blob_bytes,
        )?;
        if self.archive_bytes > 0 {
            write!(f, "; archive of {} bytes", self.archive_bytes)?;
        }
        Ok(())
    }
}

/// A count with its noun.
struct Count(usize, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, noun) = self;
        write!(f, "{count} {noun}{}", if *count == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::KernelReport;

    /// A report on `kernels` kernels, all of which fail the same `problems` relocations.
    fn report(problems: usize, kernels: usize) -> Report {
        let problem = |number: usize| Problem::Relocation {
            object: "a.o".to_owned(),
            program: "main".to_owned(),
            relocation: format!("xdp #{number}"),
            spec: "<byte_off> [1] struct s.f (0:0 @ offset 0)".to_owned(),
            line: Some("a.c:1".to_owned()),
            text: None,
            reason: "no such type".to_owned(),
        };
        let all: Vec<ProblemId> = (0..problems).map(ProblemId).collect();
        let kernel = |number: usize| KernelReport {
            id: format!("debian/12/x86_64/{number}").parse().unwrap(),
            blob: None,
            build_id: None,
            problems: all.as_slice().into(),
            guarded: 0,
        };
        Report {
            problems: (0..problems).map(problem).collect(),
            kernels: (0..kernels).map(kernel).collect(),
            ..Report::default()
        }
    }

    #[test]
    fn text_lists_kernels_only_if_verbose() {
        let report = report(1, 6);
        let problem = "a.o: main: xdp #0: <byte_off> [1] struct s.f (0:0 @ offset 0) at a.c:1: no such type";
        let summary = "0 objects with 0 relocations; 0 of 6 kernels served by 0 distinct BTFs of 0 bytes";
        assert_eq!(report.text(false), format!("{problem}\n  on all 6 kernels\n{summary}\n"));
        let ids: String = (0..6).map(|number| format!("  debian/12/x86_64/{number}\n")).collect();
        assert_eq!(report.text(true), format!("{problem}\n{ids}{summary}\n"));
    }
}
