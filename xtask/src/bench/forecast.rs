//! Forecast: `btfgen report` on the example's hub file, against `btfgen pack`, which makes no forecast.

use super::commands::{Bench, words};
use super::process::{self, Job, WARM_ALL};
use super::sets::Set;
use crate::files;
use crate::shell::Outcome;
use crate::table::{Alignment, table};

/// Times both for each set, and prints a table.
pub(super) fn compare(bench: &Bench, sets: &[Set]) -> Outcome {
    println!("\nforecast of all kernels of the example's hub file");
    let hub = files::example_hub();
    let mut rows = Vec::new();
    for set in sets {
        let report = words(&[&bench.btfgen, "report".as_ref(), "--hub".as_ref(), &hub]);
        let job = |command| Job { commands: vec![command], may_fail: false };
        let jobs = [job(bench.pack(&hub, set)), job([report, set.words()].concat())];
        let costs = process::medians(&[&jobs[0], &jobs[1]], WARM_ALL)?;
        let (pack, report) = (costs[0], costs[1]);
        rows.push(vec![
            set.title.clone(),
            process::time(pack.time),
            process::time(report.time),
            format!("{:.2}x", report.time.as_secs_f64() / pack.time.as_secs_f64()),
            format!("{} MB", report.peak_bytes / 1_000_000),
        ]);
    }
    print!("{}", table(&["", "pack", "report", "", "peak memory"], &rows, Alignment::Right));
    Ok(())
}
