//! Threads: a task for each of many things, on as many threads as there are cores, results in order.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Things that are shared out: each thread has a part of its own, in a row.
///
/// Neighbours are alike, such as kernels of one series, so that a thread's memos serve it best where it stays. One that is
/// done takes from the end of the longest part left.
struct Parts(Mutex<Vec<Range<usize>>>);

impl Parts {
    fn new(count: usize, parts: usize) -> Self {
        let start = |part: usize| count * part / parts;
        Self(Mutex::new((0..parts).map(|part| start(part)..start(part + 1)).collect()))
    }

    /// The next thing for a thread.
    fn next(&self, part: usize) -> Option<usize> {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts[part].next().or_else(|| parts.iter_mut().max_by_key(|part| part.len())?.next_back())
    }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Runs a task for each number below `count` on as many threads as there are cores; results in order.
pub(crate) fn on_all_cores<W, T: Send>(
    count: usize,
    worker: impl Fn() -> W + Sync,
    task: impl Fn(&mut W, usize) -> T + Sync,
) -> Vec<T> {
    let threads = cores().min(count.max(1));
    let parts = Parts::new(count, threads);
    let run = |part: usize| {
        let mut worker = worker();
        let mut done = Vec::new();
        while let Some(at) = parts.next(part) {
            done.push((at, task(&mut worker, at)));
        }
        done
    };
    let run = &run;
    let mut done = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|part| scope.spawn(move || run(part))).collect();
        let mut done = run(0);
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Runs two tasks, beside each other if there are two cores.
pub(crate) fn beside<A, B: Send>(here: impl FnOnce() -> A, there: impl FnOnce() -> B + Send) -> (A, B) {
    if cores() < 2 {
        return (here(), there());
    }
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
    fn each_thing_is_taken_once_and_in_a_row() {
        let parts = Parts::new(10, 3);
        let mut taken: Vec<usize> = (0..3).filter_map(|_| parts.next(1)).collect();
        assert_eq!(taken, [3, 4, 5]);
        // Done with its own, it takes from the end of the longest.
        taken.extend([parts.next(1), parts.next(2), parts.next(0)].into_iter().flatten());
        assert_eq!(taken, [3, 4, 5, 9, 6, 0]);
        taken.extend(std::iter::from_fn(|| parts.next(2)));
        taken.sort_unstable();
        assert_eq!(taken, Vec::from_iter(0..10));
        assert_eq!(parts.next(0), None);
    }

    #[test]
    fn results_stand_in_order() {
        assert_eq!(on_all_cores(100, || 1, |one, at| at + *one), Vec::from_iter(1..101));
        assert_eq!(on_all_cores(0, || (), |(), at| at), Vec::<usize>::new());
        assert_eq!(beside(|| 1, || 2), (1, 2));
    }
}
