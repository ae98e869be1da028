//! Processes: how long a job takes, and how much memory, with a warm or a cold page cache, on one core or on all.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use crate::shell::Outcome;

/// How often a job is run at most; the median counts.
pub(super) const RUNS: usize = 5;

/// A job that took this long in all is not run again.
const PATIENCE: Duration = Duration::from_secs(2);

/// The argument that makes this program the small one that [`measured`] is.
pub(super) const MEASURED: &str = "--measured";

const DROP_CACHES: &str = "/proc/sys/vm/drop_caches";

/// Commands that run one after another.
#[derive(Clone, Default)]
pub(super) struct Job {
    pub(super) commands: Vec<Vec<String>>,
    /// Whether a command may fail, as bpftool does on some kernels; what it took counts all the same.
    pub(super) may_fail: bool,
}

/// What surrounds a job.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Conditions {
    /// Nothing of any file is in memory.
    pub(super) cold: bool,
    /// The job sees one core.
    pub(super) one_core: bool,
}

pub(super) const WARM_ONE: Conditions = Conditions { cold: false, one_core: true };
pub(super) const WARM_ALL: Conditions = Conditions { cold: false, one_core: false };
pub(super) const COLD_ALL: Conditions = Conditions { cold: true, one_core: false };

/// What a job takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) time: Duration,
    /// Most bytes that one of its processes had in memory.
    pub(super) peak: u64,
    /// Number of commands that failed.
    pub(super) failed: usize,
}

/// Number of cores.
pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Whether the page cache can be dropped.
pub(super) fn can_be_cold() -> bool {
    fs::OpenOptions::new().write(true).open(DROP_CACHES).is_ok()
}

/// Median cost of each job. The jobs take turns, so that a slow spell of the machine meets them all.
pub(super) fn medians(jobs: &[&Job], conditions: Conditions) -> Outcome<Vec<Cost>> {
    let mut all = vec![Vec::new(); jobs.len()];
    for _ in 0..RUNS {
        for (job, costs) in jobs.iter().zip(&mut all) {
            if costs.iter().map(|cost: &Cost| cost.time).sum::<Duration>() < PATIENCE {
                costs.push(measure(job, conditions)?);
            }
        }
    }
    Ok(all.into_iter().map(median).collect())
}

/// The cost of median time, with the highest peak.
fn median(mut costs: Vec<Cost>) -> Cost {
    costs.sort_by_key(|cost| cost.time);
    let peak = costs.iter().map(|cost| cost.peak).max().unwrap_or(0);
    Cost { peak, ..costs[costs.len() / 2] }
}

/// Runs a job once, under a process of its own: Linux counts what a process had in memory when it started another one in
/// the peak of that one, and this one may have held hubs.
fn measure(job: &Job, conditions: Conditions) -> Outcome<Cost> {
    if conditions.cold {
        nix::unistd::sync();
        fs::write(DROP_CACHES, "3")?;
    }
    let mut words = if conditions.one_core { on_one_core()? } else { Vec::new() };
    words.push(std::env::current_exe()?.display().to_string());
    words.extend(["bench".to_owned(), MEASURED.to_owned()]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
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
    Ok(Cost { time: Duration::from_micros(micros), peak: kilobytes * 1024, failed })
}

/// The words before a command that is to see one core.
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

/// `xtask bench --measured`: runs the commands on standard input, a JSON list of lists of words, and prints their time in
/// microseconds, their highest peak in kilobytes and how many failed.
pub(super) fn measured() -> Outcome {
    let commands: Vec<Vec<String>> = serde_json::from_reader(io::stdin())?;
    let mut failed = 0;
    let start = Instant::now();
    for words in &commands {
        let [program, args @ ..] = &words[..] else { return Err("no command".into()) };
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        failed += u64::from(!command.status()?.success());
    }
    let micros = u64::try_from(start.elapsed().as_micros())?;
    let kilobytes = u64::try_from(getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss())?;
    println!("{}", serde_json::to_string(&[micros, kilobytes, failed])?);
    Ok(())
}

/// A table of columns as wide as their cells: the first to the left, the others to the right.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = match column {
                0 => write!(line, "  {cell:<width$}"),
                _ => write!(line, "   {cell:>width$}"),
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
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
            let cost =
                |&(millis, peak): &(u64, u64)| Cost { time: Duration::from_millis(millis), peak, failed: 0 };
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

    #[test]
    fn tables_are_aligned() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        assert_eq!(table(&[row(["a", "bb", ""]), row(["ccc", "d", "e"])]), "  a     bb\n  ccc    d   e\n");
        assert_eq!(table(&[]), "");
    }
}
