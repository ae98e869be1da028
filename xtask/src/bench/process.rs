//! Process: time and memory of a job, with a warm or a cold page cache, on one core or on all.

use std::fs;
use std::io::{self, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use super::commands::command;
use crate::shell::Outcome;

/// Maximum number of runs of a job; the median counts.
pub(super) const RUNS: usize = 5;

/// A job whose runs took this long is not run again.
const ENOUGH: Duration = Duration::from_secs(2);

const DROP_CACHES: &str = "/proc/sys/vm/drop_caches";

/// Commands that run one after another.
#[derive(Clone, Default)]
pub(super) struct Job {
    pub(super) commands: Vec<Vec<String>>,
    /// Whether a command may fail, as bpftool does on some kernels; its cost counts.
    pub(super) may_fail: bool,
}

/// How a job is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Conditions {
    /// With an empty page cache.
    pub(super) cold: bool,
    /// On one core.
    pub(super) one_core: bool,
}

pub(super) const WARM_ONE: Conditions = Conditions { cold: false, one_core: true };
pub(super) const WARM_ALL: Conditions = Conditions { cold: false, one_core: false };
pub(super) const COLD_ALL: Conditions = Conditions { cold: true, one_core: false };

/// The cost of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) time: Duration,
    /// Peak memory of its largest process, in bytes.
    pub(super) peak_bytes: u64,
    /// Number of commands that failed.
    pub(super) failed: usize,
}

/// Whether the page cache can be dropped.
pub(super) fn can_be_cold() -> bool {
    fs::OpenOptions::new().write(true).open(DROP_CACHES).is_ok()
}

/// Median cost of each job. The jobs take turns, so a slow phase of the machine affects all of them.
pub(super) fn medians(jobs: &[&Job], conditions: Conditions) -> Outcome<Vec<Cost>> {
    let mut all = vec![Vec::new(); jobs.len()];
    for _ in 0..RUNS {
        for (job, costs) in jobs.iter().zip(&mut all) {
            if costs.iter().map(|cost: &Cost| cost.time).sum::<Duration>() < ENOUGH {
                costs.push(measure(job, conditions)?);
            }
        }
    }
    Ok(all.into_iter().map(median).collect())
}

/// The cost of median time, with the highest peak.
fn median(mut costs: Vec<Cost>) -> Cost {
    costs.sort_by_key(|cost| cost.time);
    let peak_bytes = costs.iter().map(|cost| cost.peak_bytes).max().unwrap_or(0);
    Cost { peak_bytes, ..costs[costs.len() / 2] }
}

/// Runs a job once, started by a small process: Linux counts the memory of the starting process in the peak of the started one,
/// and this process may have held hubs.
fn measure(job: &Job, conditions: Conditions) -> Outcome<Cost> {
    if conditions.cold {
        nix::unistd::sync();
        fs::write(DROP_CACHES, "3")?;
    }
    let mut words = if conditions.one_core { on_one_core()? } else { Vec::new() };
    words.push(std::env::current_exe()?.display().to_string());
    words.push("measured".to_owned());
    let mut command = command(&words)?;
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&serde_json::to_vec(&job.commands)?)?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err("a measured process did not start".into());
    }
    let [micros, kilobytes, failed]: [u64; 3] = serde_json::from_slice(&output.stdout)?;
    if failed > 0 && !job.may_fail {
        let first = job.commands.first().map_or(String::new(), |words| words.join(" "));
        return Err(format!("{failed} of {} commands failed, such as {first}", job.commands.len()).into());
    }
    let failed = usize::try_from(failed)?;
    Ok(Cost { time: Duration::from_micros(micros), peak_bytes: kilobytes * 1024, failed })
}

/// The words before a command that run it on one core.
pub(super) fn on_one_core() -> Outcome<Vec<String>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let core = first_core(&status).ok_or("no Cpus_allowed_list in /proc/self/status")?;
    Ok(["taskset", "-c", core].map(str::to_owned).into())
}

/// The first core that a process may run on, by its `/proc/<pid>/status`.
fn first_core(status: &str) -> Option<&str> {
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    list.trim().split([',', '-']).next()
}

/// Runs `xtask measured`: the commands on standard input, a JSON list of lists of words. Prints their time in microseconds, their
/// highest peak in kilobytes and how many failed.
pub(crate) fn measured() -> Outcome {
    let commands: Vec<Vec<String>> = serde_json::from_reader(io::stdin())?;
    let mut failed = 0;
    let start = Instant::now();
    for words in &commands {
        let mut command = command(words)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        failed += u64::from(!command.status()?.success());
    }
    let micros = u64::try_from(start.elapsed().as_micros())?;
    let kilobytes = u64::try_from(getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss())?;
    println!("{}", serde_json::to_string(&[micros, kilobytes, failed])?);
    Ok(())
}

/// A time with three digits.
pub(super) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        10.0.. => format!("{seconds:.1} s"),
        1.0.. => format!("{seconds:.2} s"),
        0.1.. => format!("{:.0} ms", seconds * 1e3),
        _ => format!("{:.1} ms", seconds * 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let check = |costs: &[(u64, u64)], expect: (u64, u64)| {
            let cost = |&(millis, peak_bytes): &(u64, u64)| Cost {
                time: Duration::from_millis(millis),
                peak_bytes,
                failed: 0,
            };
            assert_eq!(median(costs.iter().map(cost).collect()), cost(&expect));
        };
        check(&[(9, 1)], (9, 1));
        check(&[(500, 1), (1, 7), (2, 3)], (2, 7));
        check(&[(5, 0), (4, 0), (3, 0), (2, 0), (1, 0)], (3, 0));
    }

    #[test]
    fn finds_a_core() {
        let check = |list: &str, expect| {
            assert_eq!(first_core(&format!("Name:\txtask\n{list}\nSeccomp:\t0\n")), expect, "{list}");
        };
        check("Cpus_allowed_list:\t0-3", Some("0"));
        check("Cpus_allowed_list:\t5", Some("5"));
        check("Cpus_allowed_list:\t2,4-7", Some("2"));
        check("Cpus_allowed:\tff", None);
    }

    #[test]
    fn times_have_three_digits() {
        let check = |micros, expect| assert_eq!(time(Duration::from_micros(micros)), expect);
        check(12_345_678, "12.3 s");
        check(1_234_567, "1.23 s");
        check(123_456, "123 ms");
        check(1_234, "1.2 ms");
    }
}
