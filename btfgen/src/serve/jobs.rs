//! Jobs: what takes time is worked on by a bounded number of threads, and a bounded number of requests waits for one.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::problem::Problem;

/// The queue of jobs.
pub(super) struct Jobs {
    /// One for each job that waits or is worked on.
    places: Arc<Semaphore>,
    /// One for each job that is worked on.
    turns: Arc<Semaphore>,
    /// How long a job waits and is worked on.
    time: Duration,
}

impl Jobs {
    /// `jobs` are worked on at once, one for each core without it; `queue` more wait.
    pub(super) fn new(jobs: Option<NonZeroUsize>, queue: usize, time: Duration) -> Self {
        let jobs = jobs.or(available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        Self { places: Arc::new(Semaphore::new(jobs + queue)), turns: Arc::new(Semaphore::new(jobs)), time }
    }

    /// Runs a job on a thread that may block.
    ///
    /// A client that goes away leaves the queue. A job that has begun cannot be stopped, and keeps its turn until it is done.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let full = |_| Problem::busy("too many requests are waiting");
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(full)?;
        let work = async {
            let turn = Arc::clone(&self.turns).acquire_owned().await;
            let job = move || {
                let _held = (place, turn);
                job()
            };
            spawn_blocking(job).await.unwrap_or_else(|error| Err(Problem::bug(error)))
        };
        let late = |_| Err(Problem::busy(format!("no answer within {} seconds", self.time.as_secs())));
        timeout(self.time, work).await.unwrap_or_else(late)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn jobs(queue: usize, millis: u64) -> Jobs {
        Jobs::new(NonZeroUsize::new(1), queue, Duration::from_millis(millis))
    }

    #[tokio::test]
    async fn more_than_the_queue_is_refused_and_places_are_free_again() {
        let jobs = Arc::new(jobs(1, 60_000));
        let (end, wait) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let jobs = Arc::clone(&jobs);
            async move { jobs.run(move || Ok(wait.recv().is_ok())).await }
        });
        while jobs.turns.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let second = tokio::spawn({
            let jobs = Arc::clone(&jobs);
            async move { jobs.run(|| Ok(2)).await }
        });
        while jobs.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refused = jobs.run(|| Ok(3)).await.unwrap_err();
        assert_eq!(refused.status, 503);
        // A client that waits goes away, and its place is free.
        second.abort();
        assert!(second.await.is_err());
        assert_eq!(jobs.places.available_permits(), 1);
        end.send(()).unwrap();
        assert!(first.await.unwrap().unwrap());
        assert_eq!(jobs.run(|| Ok(4)).await.unwrap(), 4);
        assert_eq!((jobs.places.available_permits(), jobs.turns.available_permits()), (2, 1));
    }

    #[tokio::test]
    async fn a_job_that_is_late_keeps_its_turn_until_it_is_done() {
        let jobs = jobs(1, 1);
        let (end, wait) = mpsc::channel::<()>();
        let late = jobs.run(move || Ok(wait.recv().is_ok())).await.unwrap_err();
        assert_eq!((late.status.as_u16(), late.error.as_str()), (503, "no answer within 0 seconds"));
        assert_eq!(jobs.turns.available_permits(), 0);
        end.send(()).unwrap();
        while jobs.turns.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_panic_is_a_bug_and_frees_the_turn() {
        let jobs = jobs(0, 60_000);
        let bug = jobs.run::<()>(|| panic!("on purpose")).await.unwrap_err();
        assert_eq!(bug.status, 500);
        assert_eq!(jobs.run(|| Ok(1)).await.unwrap(), 1);
    }
}
