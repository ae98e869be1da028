//! Kernels: which kernels have which problem.

use btfgen_runtime::KernelId;

use super::data::{ProblemId, Report};
use crate::memo::Memo;
use crate::series::describe;

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

    /// The kernels that have a problem, in the order of the report.
    fn of(&self, problem: ProblemId) -> Vec<&'r KernelId> {
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

/// The `affected` kernels of `all`, in one line.
pub(super) fn describe_kernels(affected: &[&KernelId], all: &[&KernelId]) -> String {
    describe(affected, all).join(", ")
}
