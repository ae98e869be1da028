//! Text: the report for people, its summary and its warnings.

use std::fmt;

use btfgen_runtime::KernelId;

use super::data::{ObjectReport, Problem, ProblemId, Report};
use super::kernels::{AffectedKernels, MAX_LISTED};
use crate::memo::Memo;

/// Number of kernels that are unpacked from a hub tree without a warning.
const MAX_UNPACKED: usize = 50;

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

    /// Warnings, each a paragraph.
    ///
    /// Of each object's problems, and of the reasons why kernels cannot be used, only the first five are listed.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> =
            self.unused_excludes.iter().map(|glob| unused_exclude(glob)).collect();
        if self.unpacked_kernels > MAX_UNPACKED {
            warnings.push(format!(
                "unpacked {} kernels from the hub folder, which takes seconds each time; \
                 make a hub file of it with \"btfgen vendor FOLDER -o kernels.hub\" and use that",
                self.unpacked_kernels
            ));
        }
        warnings.extend(self.custom_without_build_id());
        for object in &self.objects {
            if object.relocations == 0 {
                warnings.push(format!("{}: no CO-RE relocations, so it needs no embedded BTF", object.name));
            }
            let remarks = object.remarks().into_iter();
            warnings.extend(remarks.map(|remark| format!("{}: {remark}", object.name)));
        }
        let affected = AffectedKernels::new(self);
        let ids = (0..self.problems.len()).map(ProblemId).collect::<Vec<_>>();
        for ids in ids.chunk_by(|a, b| self.problems[a.0].object() == self.problems[b.0].object()) {
            let warning = |id: &ProblemId| format!("{}: on {}", self.problems[id.0], affected.describe(*id));
            warnings.extend(ids.iter().take(MAX_LISTED).map(warning));
            let more = ids.len().saturating_sub(MAX_LISTED);
            if more > 0 {
                let what = match self.problems[ids[0].0].object() {
                    Some(object) => format!("{object}: {more} more relocations fail on some kernels"),
                    None => format!("{more} more reasons why kernels cannot be used"),
                };
                warnings.push(format!("{what}; list them with \"btfgen report\""));
            }
        }
        warnings
    }

    /// A warning that no host selects some kernels, because only their build ids identify them.
    fn custom_without_build_id(&self) -> Option<String> {
        let served = self.kernels.iter().filter(|kernel| kernel.blob.is_some());
        let kernels: Vec<&str> = served
            .filter(|kernel| kernel.id.distro() == KernelId::CUSTOM && kernel.build_id.is_none())
            .map(|kernel| kernel.id.as_str())
            .collect();
        let more = kernels.len().saturating_sub(MAX_LISTED);
        let listed = kernels.get(..MAX_LISTED).unwrap_or(&kernels).join(", ");
        let and_more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!kernels.is_empty()).then(|| {
            format!(
                "no host selects {listed}{and_more}: only its build id identifies a custom kernel, and it is unknown here; \
                 vendor it from an image, a package or with --this-host, and embed the archive (files of a tree have no build ids)"
            )
        })
    }
}

fn unused_exclude(glob: &str) -> String {
    format!("exclude {glob:?} matches no kernel")
}

impl ObjectReport {
    /// Remarks on the object, for users.
    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        for need in &self.needs_kernel_btf {
            remarks.push(format!("{need} needs the kernel's own BTF, even with an embedded BTF"));
        }
        for failure in &self.failures {
            remarks.push(format!("fails on every kernel: {failure}"));
        }
        let count = self.target_type_ids;
        if count > 0 {
            let read = if count == 1 { "reads" } else { "read" };
            remarks.push(format!(
                "{} {read} a target type id; with an embedded BTF it is not the kernel's id",
                Count(count, "relocation")
            ));
        }
        remarks
    }
}

impl Problem {
    /// The name of the object that has the problem; none if the kernel cannot be used at all.
    fn object(&self) -> Option<&str> {
        match self {
            Self::Unusable { .. } => None,
            Self::Relocation { object, .. } => Some(object),
        }
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
    use btfgen_runtime::BuildIdPrefix;

    use super::*;
    use crate::report::{BlobId, KernelReport};

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
    fn custom_kernels_need_a_build_id() {
        let check = |kernels: &[(&str, Option<u8>)], expect: Option<&str>| {
            let kernel = |(id, build_id): &(&str, Option<u8>)| KernelReport {
                id: id.parse().unwrap(),
                blob: Some(BlobId(0)),
                build_id: build_id.map(|byte| BuildIdPrefix::from_bytes([byte; 16])),
                ..report(0, 1).kernels[0].clone()
            };
            let report = Report { kernels: kernels.iter().map(kernel).collect(), ..Report::default() };
            let warnings = report.warnings();
            let got = warnings.first().map(|text| text.split(": only").next().unwrap_or_default());
            assert_eq!(got, expect, "{kernels:?}");
        };
        check(&[("custom/1/x86_64/6.1.0", Some(1)), ("debian/12/x86_64/6.1.0", None)], None);
        check(&[("kylin/10/x86_64/6.1.0", None)], None);
        check(
            &[("custom/1/x86_64/6.1.0", None), ("custom/2/x86_64/6.1.0", Some(1))],
            Some("no host selects custom/1/x86_64/6.1.0"),
        );
        let ids = (1..9).map(|number| format!("custom/{number}/a/r")).collect::<Vec<_>>();
        let many: Vec<_> = ids.iter().map(|id| (id.as_str(), None)).collect();
        check(&many, Some(&format!("no host selects {} and 3 more", ids[..5].join(", "))));
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

    #[test]
    fn warnings_are_few() {
        let check = |problems: usize, expect: &[&str]| {
            let warnings = report(problems, 6).warnings();
            assert_eq!(warnings.len(), problems.min(MAX_LISTED) + expect.len());
            assert!(
                warnings.iter().take(problems.min(MAX_LISTED)).all(|it| it.ends_with(": on all 6 kernels"))
            );
            assert_eq!(warnings[problems.min(MAX_LISTED)..], *expect);
        };
        check(5, &[]);
        check(12, &["a.o: 7 more relocations fail on some kernels; list them with \"btfgen report\""]);
    }

    #[test]
    fn warns_of_hub_trees_that_are_slow_to_read() {
        let warnings = |unpacked_kernels| Report { unpacked_kernels, ..Report::default() }.warnings();
        assert!(warnings(MAX_UNPACKED).is_empty());
        assert!(warnings(MAX_UNPACKED + 1)[0].contains("btfgen vendor"));
    }
}
