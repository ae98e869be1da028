//! Threads: the one pool, which runs a task for each of many items on all cores and gives the results in order.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The items that are left, a range for each thread.
///
/// Neighbors are alike, such as kernels of one series, so a thread's memos help most if it stays with its range. A thread
/// that is done takes items from the end of the longest range left.
struct Queues(Mutex<Vec<Range<usize>>>);

impl Queues {
    fn new(count: usize, threads: usize) -> Self {
        let start = |thread: usize| count * thread / threads;
        Self(Mutex::new((0..threads).map(|thread| start(thread)..start(thread + 1)).collect()))
    }

    /// The next item for a thread.
    fn next(&self, thread: usize) -> Option<usize> {
        let mut ranges = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ranges[thread].next().or_else(|| ranges.iter_mut().max_by_key(|range| range.len())?.next_back())
    }
}

/// The number of cores that this process may use.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Runs a task for each index below `count`, on as many threads as there are cores; results are in order.
///
/// `worker` makes what a thread keeps from one task to the next.
pub(crate) fn on_all_cores<W, T: Send>(
    count: usize,
    worker: impl Fn() -> W + Sync,
    task: impl Fn(&mut W, usize) -> T + Sync,
) -> Vec<T> {
    on_threads(cores(), count, worker, task)
}

/// As [`on_all_cores`], on that many threads.
pub(crate) fn on_threads<W, T: Send>(
    threads: usize,
    count: usize,
    worker: impl Fn() -> W + Sync,
    task: impl Fn(&mut W, usize) -> T + Sync,
) -> Vec<T> {
    let threads = threads.clamp(1, count.max(1));
    let queues = Queues::new(count, threads);
    let run = |thread: usize| {
        let mut worker = worker();
        let mut done = Vec::new();
        while let Some(index) = queues.next(thread) {
            done.push((index, task(&mut worker, index)));
        }
        done
    };
    let run = &run;
    let mut done = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        let mut done = run(0);
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Runs two tasks side by side.
pub(crate) fn join<A, B: Send>(here: impl FnOnce() -> A, there: impl FnOnce() -> B + Send) -> (A, B) {
    thread::scope(|scope| {
        let there = scope.spawn(there);
        let here = here();
        match there.join() {
            Ok(there) => (here, there),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_is_taken_once_and_neighbors_by_one_thread() {
        let queues = Queues::new(10, 3);
        let mut taken: Vec<usize> = (0..3).filter_map(|_| queues.next(1)).collect();
        assert_eq!(taken, [3, 4, 5]);
        // Done with its own range, it takes from the end of the longest.
        taken.extend([queues.next(1), queues.next(2), queues.next(0)].into_iter().flatten());
        assert_eq!(taken, [3, 4, 5, 9, 6, 0]);
        taken.extend(std::iter::from_fn(|| queues.next(2)));
        taken.sort_unstable();
        assert_eq!(taken, Vec::from_iter(0..10));
        assert_eq!(queues.next(0), None);
    }

    #[test]
    fn results_are_in_order() {
        assert_eq!(on_all_cores(100, || 1, |one, index| index + *one), Vec::from_iter(1..101));
        assert_eq!(on_all_cores(0, || (), |(), index| index), Vec::<usize>::new());
        assert_eq!(join(|| 1, || 2), (1, 2));
    }
}
