//! Warnings: what a build's user should know, in few lines.

use std::collections::{BTreeMap, BTreeSet};

use btfgen_runtime::KernelId;

use super::broken::{kernels, subject};
use super::data::{Problem, ProblemId, Report};
use super::kernels::{AffectedKernels, MAX_LISTED, describe_kernels};
use super::text::unused_exclude;
use crate::forecast::{Broken, Requirement, Verdict, failing};

/// Number of all warnings.
const MAX_WARNINGS: usize = 10;

/// What tells more.
const WHERE_ALL_ARE: &str = "\"btfgen report\" lists all programs that fail, and why";

/// Number of kernels that are unpacked from a hub tree without a warning.
const MAX_UNPACKED: usize = 50;

/// Number of requirements that are named for each program.
const MAX_REQUIREMENTS: usize = 2;

impl Report {
    /// Warnings, each a line, at most ten. The last are of programs that fail on kernels for which a BTF is embedded, unless they are
    /// optional.
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
            let remark = object.target_type_id_remark();
            warnings.extend(remark.map(|remark| format!("{}: {remark}", object.name)));
        }
        let affected = AffectedKernels::new(self);
        for (index, problem) in self.problems.iter().enumerate() {
            if let Problem::Unusable { reason } = problem {
                warnings.push(format!("{reason}: on {}", affected.describe(ProblemId(index))));
            }
        }
        warnings.extend(self.dropped());
        let failing = self.failing_programs();
        let fails = !failing.is_empty();
        warnings.extend(failing);
        let more = warnings.len().saturating_sub(MAX_WARNINGS - 1);
        warnings.truncate(MAX_WARNINGS - 1);
        if more > 0 {
            warnings.push(format!("{more} more warnings; {WHERE_ALL_ARE}"));
        } else if fails {
            warnings.push(WHERE_ALL_ARE.to_owned());
        }
        warnings
    }

    /// A warning of kernels that were dropped.
    fn dropped(&self) -> Option<String> {
        let is_relocation = |id: &ProblemId| matches!(self.problems[id.0], Problem::Relocation { .. });
        let dropped = self.kernels.iter().filter(|kernel| kernel.blob.is_none());
        let dropped: Vec<_> = dropped.filter(|kernel| kernel.problems.iter().any(is_relocation)).collect();
        let ids: Vec<_> = dropped.iter().map(|kernel| &kernel.id).collect();
        let all: Vec<_> = self.kernels.iter().map(|kernel| &kernel.id).collect();
        (!ids.is_empty()).then(|| {
            let kernels = describe_kernels(&ids, &all);
            format!("no BTF embedded for {kernels}: a relocation fails (on-failure = \"drop\")")
        })
    }

    /// A warning for each program that fails on kernels for which a BTF is embedded; those that fail on most kernels first.
    fn failing_programs(&self) -> Vec<String> {
        let forecast = &self.forecast;
        let embedded: BTreeSet<&KernelId> =
            self.kernels.iter().filter(|kernel| kernel.blob.is_some()).map(|kernel| &kernel.id).collect();
        let is_embedded = |kernel: &usize| embedded.contains(&forecast.kernels[*kernel]);
        let judged = (0..forecast.kernels.len()).filter(is_embedded).collect();
        let mut subjects: BTreeMap<(usize, Option<usize>), Failing<'_>> = BTreeMap::new();
        for Broken { object, programs, kernels, reasons, .. } in failing(forecast, &judged) {
            let own = programs.iter().map(|&program| Some(program));
            for program in own.chain(programs.is_empty().then_some(None)) {
                let failing = subjects.entry((object, program)).or_default();
                failing.kernels.extend(&kernels);
                let requirements: BTreeSet<_> =
                    reasons.iter().map(|id| &forecast.reasons[id.0].requirement).collect();
                for requirement in requirements {
                    *failing.requirements.entry(requirement).or_default() += kernels.len();
                }
            }
        }
        // Programs that fail alike share a warning.
        let mut alike: BTreeMap<(usize, bool, Failing<'_>), Vec<usize>> = BTreeMap::new();
        for ((object, program), failing) in subjects {
            alike.entry((object, program.is_some(), failing)).or_default().extend(program);
        }
        let mut alike: Vec<_> = alike.into_iter().collect();
        alike.sort_by_key(|((object, _, failing), programs)| {
            (std::cmp::Reverse(failing.kernels.len()), *object, programs.clone())
        });
        let warning = |((object, _, failing), programs): ((usize, bool, Failing<'_>), Vec<usize>)| {
            let broken = Broken {
                object,
                programs,
                kernels: failing.kernels.iter().copied().collect(),
                verdict: Verdict::Fails,
                reasons: Vec::new(),
            };
            let on = kernels(forecast, broken.kernels.iter().copied());
            format!("{} on {on}: {}", subject(forecast, &broken), failing.requirements())
        };
        alike.into_iter().map(warning).collect()
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
                "no host selects {listed}{and_more}: only a build id identifies a custom kernel, and none is embedded; vendor the \
                 kernel's image or package, or use \"btfgen vendor --this-host\"; a tree has no build ids, so set emit to \"archive\" or \"both\""
            )
        })
    }
}

/// Where a program fails, and what it lacks there.
#[derive(Default, PartialEq, Eq, PartialOrd, Ord)]
struct Failing<'r> {
    kernels: BTreeSet<usize>,
    /// What is missing, with the number of kernels that lack it.
    requirements: BTreeMap<&'r Requirement, usize>,
}

impl Failing<'_> {
    /// The requirements that most kernels lack.
    fn requirements(&self) -> String {
        let mut requirements: Vec<_> = self.requirements.iter().collect();
        requirements.sort_by_key(|(_, kernels)| std::cmp::Reverse(**kernels));
        let named =
            requirements.iter().take(MAX_REQUIREMENTS).map(|(requirement, _)| requirement.to_string());
        let named = named.collect::<Vec<_>>().join("; ");
        match requirements.len().saturating_sub(MAX_REQUIREMENTS) {
            0 => named,
            more => format!("{named}; and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use btfgen_runtime::BuildIdPrefix;

    use super::*;
    use crate::forecast::testing;
    use crate::report::{BlobId, KernelReport, ObjectReport};

    fn kernel(id: &str) -> KernelReport {
        let (id, blob) = (id.parse().unwrap(), Some(BlobId(0)));
        KernelReport { id, blob, build_id: None, problems: Arc::default() }
    }

    #[test]
    fn custom_kernels_need_a_build_id() {
        let check = |kernels: &[(&str, Option<u8>)], expect: Option<&str>| {
            let kernel = |(id, build_id): &(&str, Option<u8>)| KernelReport {
                build_id: build_id.map(|byte| BuildIdPrefix::from_bytes([byte; 16])),
                ..kernel(id)
            };
            let report = Report { kernels: kernels.iter().map(kernel).collect(), ..Report::default() };
            let warnings = report.custom_without_build_id();
            let got = warnings.as_deref().map(|text| text.split(": only").next().unwrap_or_default());
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
    fn warns_of_programs_that_fail_where_a_btf_is_embedded() {
        let check = |embedded: &[usize], expect: &[&str]| {
            let forecast = testing::forecast();
            let mut kernels: Vec<_> = forecast.kernels.iter().map(|id| kernel(id.as_str())).collect();
            for (index, kernel) in kernels.iter_mut().enumerate() {
                kernel.blob = kernel.blob.filter(|_| embedded.contains(&index));
            }
            let warnings = Report { kernels, forecast, ..Report::default() }.warnings();
            assert_eq!(warnings, expect, "{embedded:?}");
        };
        let debian_11 = "on debian/11/x86_64/5.10.0-30-amd64";
        check(
            &[0, 1],
            &[
                &format!("a.o: exec, exit fail {debian_11}: helper c"),
                &format!("b.o: loading the object fails {debian_11}: helper d"),
                &format!("b.o: open fails {debian_11}: helper c"),
                WHERE_ALL_ARE,
            ],
        );
        // Elsewhere only optional programs fail.
        check(&[1, 2, 3], &[]);
        check(&[], &[]);
    }

    #[test]
    fn warnings_are_few() {
        let object = |number: usize| ObjectReport {
            name: format!("{number}.o"),
            relocations: 0,
            target_type_ids: 0,
            failures: Vec::new(),
        };
        let warnings = |objects| {
            let objects = (0..objects).map(object).collect();
            Report { objects, ..Report::default() }.warnings()
        };
        assert_eq!(warnings(9).len(), 9);
        let many = warnings(20);
        assert_eq!((many.len(), &*many[9]), (10, &*format!("11 more warnings; {WHERE_ALL_ARE}")));
    }

    #[test]
    fn warns_of_hub_trees_that_are_slow_to_read() {
        let warnings = |unpacked_kernels| Report { unpacked_kernels, ..Report::default() }.warnings();
        assert!(warnings(MAX_UNPACKED).is_empty());
        assert!(warnings(MAX_UNPACKED + 1)[0].contains("btfgen vendor"));
    }

    #[test]
    fn warns_of_dropped_kernels() {
        let problem = Problem::Relocation {
            object: "a.o".to_owned(),
            program: "exec".to_owned(),
            relocation: "xdp #0".to_owned(),
            spec: String::new(),
            line: None,
            text: None,
            reason: "no such type".to_owned(),
        };
        let dropped = KernelReport { blob: None, problems: [ProblemId(0)].into(), ..kernel("d/1/a/1") };
        let kernels = vec![dropped, kernel("d/1/a/2")];
        let warnings = Report { problems: vec![problem], kernels, ..Report::default() }.warnings();
        assert_eq!(warnings, ["no BTF embedded for d/1/a/1: a relocation fails (on-failure = \"drop\")"]);
    }
}
