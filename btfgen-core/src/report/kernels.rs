//! Kernels: which kernels have which problem, and short descriptions of sets of kernels.

use std::collections::BTreeMap;
use std::fmt;

use btfgen_runtime::KernelId;

use super::data::{ProblemId, Report};
use crate::memo::Memo;

/// Length of the longest list that is printed whole.
pub(super) const MAX_LISTED: usize = 5;

/// For each problem the affected kernels.
///
/// Hundreds of kernels may share thousands of problems, in far fewer lists: a problem refers to the lists that it is in.
pub(super) struct AffectedKernels<'r> {
    all: Vec<&'r KernelId>,
    /// For each distinct list of problems the kernels that have it, by their indices in the report.
    kernels: Vec<Vec<usize>>,
    /// For each problem the lists that it is in.
    lists: Vec<Vec<usize>>,
}

impl<'r> AffectedKernels<'r> {
    pub(super) fn new(report: &'r Report) -> Self {
        let mut kernels: Vec<Vec<usize>> = Vec::new();
        let mut lists = vec![Vec::new(); report.problems.len()];
        let mut known: Memo<&[ProblemId], usize> = Memo::default();
        for (index, kernel) in report.kernels.iter().enumerate() {
            let list = *known.entry(&kernel.problems).or_insert_with(|| {
                kernel.problems.iter().for_each(|problem| lists[problem.0].push(kernels.len()));
                kernels.push(Vec::new());
                kernels.len() - 1
            });
            kernels[list].push(index);
        }
        Self { all: report.kernels.iter().map(|kernel| &kernel.id).collect(), kernels, lists }
    }

    /// A key of the affected kernels: problems with equal keys affect the same kernels.
    pub(super) fn key(&self, problem: ProblemId) -> &[usize] {
        &self.lists[problem.0]
    }

    /// The kernels that have a problem, in the order of the report.
    pub(super) fn of(&self, problem: ProblemId) -> Vec<&'r KernelId> {
        let lists = self.lists[problem.0].iter();
        let mut kernels: Vec<usize> = lists.flat_map(|&list| self.kernels[list].iter().copied()).collect();
        kernels.sort_unstable();
        kernels.into_iter().map(|kernel| self.all[kernel]).collect()
    }

    /// A short description of the kernels that have a problem.
    pub(super) fn describe(&self, problem: ProblemId) -> String {
        describe_kernels(&self.of(problem), &self.all)
    }
}

/// Describes `affected` kernels of `all` kernels of a hub in at most five parts.
///
/// Up to five kernels are listed. More are described by the narrowest patterns that give at most five parts, such as
/// `all 37 kernels of android/*/arm64, 3 of 40 kernels of debian/12/x86_64`.
pub(super) fn describe_kernels(affected: &[&KernelId], all: &[&KernelId]) -> String {
    let total = Share { affected: affected.len(), all: all.len() };
    if affected.len() <= MAX_LISTED {
        return affected.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
    }
    if total.is_whole() {
        return total.to_string();
    }
    let by_version = shares(affected, all, Pattern::version);
    let by_arch = shares(affected, all, Pattern::arch);
    let narrow = |id| {
        let (version, arch) = (Pattern::version(id), Pattern::arch(id));
        let several_versions =
            by_version.get(&version).map(|it| it.all) != by_arch.get(&arch).map(|it| it.all);
        let whole = by_arch.get(&arch).is_some_and(Share::is_whole);
        if whole && several_versions { arch } else { version }
    };
    let narrow = shares(affected, all, narrow);
    let levels = [narrow, by_arch, shares(affected, all, Pattern::distro)];
    match levels.iter().find(|shares| shares.len() <= MAX_LISTED) {
        Some(shares) => {
            let parts = shares.iter().map(|(pattern, share)| format!("{share} of {pattern}"));
            parts.collect::<Vec<_>>().join(", ")
        }
        None => total.to_string(),
    }
}

/// A pattern over kernel ids; a part that is not set matches anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pattern<'k> {
    distro: &'k str,
    version: Option<&'k str>,
    arch: Option<&'k str>,
}

impl<'k> Pattern<'k> {
    fn version(id: &'k KernelId) -> Self {
        Self { distro: id.distro(), version: Some(id.version()), arch: Some(id.arch()) }
    }

    fn arch(id: &'k KernelId) -> Self {
        Self { version: None, ..Self::version(id) }
    }

    fn distro(id: &'k KernelId) -> Self {
        Self { arch: None, ..Self::arch(id) }
    }
}

impl fmt::Display for Pattern<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.version, self.arch) {
            (Some(version), Some(arch)) => write!(f, "{}/{version}/{arch}", self.distro),
            (None, Some(arch)) => write!(f, "{}/*/{arch}", self.distro),
            _ => write!(f, "{}/**", self.distro),
        }
    }
}

/// How many kernels of a pattern are affected.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    affected: usize,
    all: usize,
}

impl Share {
    fn is_whole(&self) -> bool {
        self.affected == self.all
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.affected, self.all) {
            (1, 1) => f.write_str("the kernel"),
            (affected, all) if affected == all => write!(f, "all {all} kernels"),
            (affected, all) => write!(f, "{affected} of {all} kernels"),
        }
    }
}

/// The share of each pattern that has affected kernels.
fn shares<'k>(
    affected: &[&'k KernelId],
    all: &[&'k KernelId],
    pattern: impl Fn(&'k KernelId) -> Pattern<'k>,
) -> BTreeMap<Pattern<'k>, Share> {
    let mut shares: BTreeMap<Pattern<'_>, Share> = BTreeMap::new();
    for id in affected {
        shares.entry(pattern(id)).or_default().affected += 1;
    }
    for id in all {
        if let Some(share) = shares.get_mut(&pattern(id)) {
            share.all += 1;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kernel ids `PREFIX/0`, `PREFIX/1` and so on, for each `PREFIX COUNT`.
    fn ids(groups: &[(&str, usize)]) -> Vec<KernelId> {
        let mut ids = Vec::new();
        for (prefix, count) in groups {
            ids.extend((0..*count).map(|number| format!("{prefix}/{number}").parse::<KernelId>().unwrap()));
        }
        ids
    }

    #[test]
    fn describes_kernels() {
        let hub = [
            ("android/12/arm64", 20),
            ("android/13/arm64", 17),
            ("debian/11/x86_64", 1),
            ("debian/12/arm64", 8),
            ("debian/12/x86_64", 40),
            ("ubuntu/20.04/x86_64", 30),
            ("ubuntu/22.04/x86_64", 30),
            ("ubuntu/24.04/x86_64", 30),
        ];
        let all = ids(&hub);
        let check = |affected: &[(&str, usize)], expect: &str| {
            let affected = ids(affected);
            let text = describe_kernels(&Vec::from_iter(&affected), &Vec::from_iter(&all));
            assert_eq!(text, expect);
        };
        check(&[], "");
        check(&[("debian/12/x86_64", 2)], "debian/12/x86_64/0, debian/12/x86_64/1");
        check(&hub, "all 176 kernels");
        check(&hub[..2], "all 37 kernels of android/*/arm64");
        check(
            &[hub[0], ("android/13/arm64", 3)],
            "all 20 kernels of android/12/arm64, 3 of 17 kernels of android/13/arm64",
        );
        check(&[hub[4]], "all 40 kernels of debian/12/x86_64");
        check(&[("debian/12/x86_64", 6)], "6 of 40 kernels of debian/12/x86_64");
        check(&[hub[2], hub[3]], "the kernel of debian/11/x86_64, all 8 kernels of debian/12/arm64");
        // Six versions, in four pairs of distribution and architecture.
        check(
            &[
                hub[0],
                ("debian/12/arm64", 1),
                ("debian/12/x86_64", 1),
                ("ubuntu/20.04/x86_64", 9),
                ("ubuntu/22.04/x86_64", 9),
                ("ubuntu/24.04/x86_64", 9),
            ],
            "20 of 37 kernels of android/*/arm64, 1 of 8 kernels of debian/*/arm64, 1 of 41 kernels of debian/*/x86_64, 27 of 90 kernels of ubuntu/*/x86_64",
        );
    }

    #[test]
    fn describes_many_patterns_by_distribution_or_not_at_all() {
        let check = |distros: usize, expect: &str| {
            let groups: Vec<String> = (0..distros)
                .flat_map(|distro| ["arm64", "s390x"].map(|arch| format!("d{distro}/1/{arch}")))
                .collect();
            let count = |count| groups.iter().map(|group| (group.as_str(), count)).collect::<Vec<_>>();
            let (affected, all) = (ids(&count(1)), ids(&count(2)));
            let text = describe_kernels(&Vec::from_iter(&affected), &Vec::from_iter(&all));
            assert_eq!(text, expect);
        };
        check(3, "2 of 4 kernels of d0/**, 2 of 4 kernels of d1/**, 2 of 4 kernels of d2/**");
        check(6, "12 of 24 kernels");
    }
}
