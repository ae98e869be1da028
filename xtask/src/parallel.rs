//! Parallel: a task on each of many items, on a given number of threads.

use rayon::prelude::*;
use rayon::{ThreadPoolBuildError, ThreadPoolBuilder};

/// The number of cores.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs a task on each item; the results have the items' order.
pub(crate) fn map<T: Sync, R: Send>(
    threads: usize,
    items: &[T],
    task: impl Fn(&T) -> R + Sync + Send,
) -> Result<Vec<R>, ThreadPoolBuildError> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
    Ok(pool.install(|| items.par_iter().with_max_len(1).map(task).collect()))
}
