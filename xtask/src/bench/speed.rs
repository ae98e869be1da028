//! Speed: pack from raw files, from a hub file and from `.btf.tar.xz` files, against one `bpftool gen min_core_btf` a kernel.

use std::fs;
use std::path::{Path, PathBuf};

use super::commands::{Bench, bpftool, words};
use super::inputs::Inputs;
use super::process::{self, COLD_ALL, Conditions, Cost, Job, WARM_ALL, WARM_ONE};
use super::sets::Set;
use crate::engine::KernelId;
use crate::parallel;
use crate::shell::Outcome;
use crate::table::{Alignment, table};

/// For more kernels than this, bpftool runs on every fifth: its time is proportional to their number.
const MAX_UNSAMPLED: usize = 50;
const SAMPLE_STEP: usize = 5;

/// A row of the table.
struct Row {
    name: String,
    job: Job,
    /// How many times the job is part of the whole.
    scale: f64,
    /// The row whose time is compared with this one's.
    versus: Option<usize>,
    /// Whether more cores make it faster.
    threaded: bool,
}

/// Prints the sizes of the inputs, and how fast they are made a hub file.
pub(super) fn describe(bench: &Bench, inputs: &Inputs) -> Outcome {
    let sum = |file: &dyn Fn(&KernelId) -> PathBuf| -> Outcome<u64> {
        inputs.ids.iter().map(|id| Ok(fs::metadata(file(id))?.len())).sum()
    };
    println!(
        "{} kernels: {} MB of raw BTF, {} MB of .btf.tar.xz, a hub file of {} bytes; median of up to {} runs",
        inputs.ids.len(),
        sum(&|id| inputs.raw_file(id))? / 1_000_000,
        sum(&|id| inputs.packed_file(id))? / 1_000_000,
        fs::metadata(inputs.hub())?.len(),
        process::RUNS,
    );
    if !process::can_be_cold() {
        println!("only with a warm page cache: dropping it needs root");
    }
    let hub = bench.scratch.join("vendored.hub");
    // Kernels that are in the hub file are not read again.
    let remove = words(&["rm".as_ref(), "-f".as_ref(), &hub]);
    let vendor = words(&[&bench.btfgen, "vendor".as_ref(), &inputs.raw(), "-o".as_ref(), &hub]);
    inputs.warm_up()?;
    let cost = process::medians(&[&Job { commands: vec![remove, vendor], may_fail: false }], WARM_ONE)?[0];
    #[expect(clippy::cast_precision_loss, reason = "there are fewer kernels than that")]
    let rate = inputs.ids.len() as f64 / cost.time.as_secs_f64();
    println!(
        "vendoring: {rate:.0} raw kernels a second on one core, {} MB of memory",
        cost.peak_bytes / 1_000_000
    );
    Ok(())
}

/// Times a set of objects, and prints a table.
pub(super) fn compare(bench: &Bench, inputs: &Inputs, set: &Set) -> Outcome {
    println!("\n{}", set.title);
    let rows = rows(bench, inputs, set);
    let mut columns: Vec<(String, Vec<Option<Cost>>)> = Vec::new();
    for (name, conditions) in conditions() {
        if !conditions.cold {
            inputs.warm_up()?;
        }
        let wanted = |row: &&Row| row.threaded || conditions.one_core || conditions.cold;
        let jobs: Vec<&Job> = rows.iter().filter(wanted).map(|row| &row.job).collect();
        let mut costs = process::medians(&jobs, conditions)?.into_iter();
        let column = rows.iter().map(|row| if wanted(&row) { costs.next() } else { None }).collect();
        columns.push((name, column));
    }
    let (head, cells) = cells(&rows, &columns);
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    print!("{}", table(&head, &cells, Alignment::Right));
    let failed = columns[0].1[0].map_or(0, |cost| cost.failed);
    if failed > 0 {
        let tried = rows[0].job.commands.len();
        println!("  bpftool fails on {failed} of {tried} kernels, btfgen on none");
    }
    for line in slower(&rows, &columns) {
        println!("  slower on more cores: {line}");
    }
    Ok(())
}

/// The columns; the first is one core, with which the others are compared.
fn conditions() -> Vec<(String, Conditions)> {
    let cores = parallel::cores();
    let mut conditions = vec![("warm, 1 core".to_owned(), WARM_ONE)];
    if cores > 1 {
        conditions.push((format!("warm, {cores} cores"), WARM_ALL));
    }
    if process::can_be_cold() {
        conditions.push((format!("cold, {cores} cores"), COLD_ALL));
    }
    conditions
}

fn rows(bench: &Bench, inputs: &Inputs, set: &Set) -> Vec<Row> {
    let step = if inputs.ids.len() > MAX_UNSAMPLED { SAMPLE_STEP } else { 1 };
    let sample: Vec<&KernelId> = inputs.ids.iter().step_by(step).collect();
    let sampled = if step > 1 { format!(", {} kernels scaled", sample.len()) } else { String::new() };
    #[expect(clippy::cast_precision_loss, reason = "there are fewer kernels than that")]
    let scale = inputs.ids.len() as f64 / sample.len() as f64;
    let output = bench.scratch.join("bpftool.btf");
    let loose = sample.iter().map(|id| bpftool(&inputs.raw_file(id), &output, set)).collect();
    let unpacked = bench.scratch.join("unpacked");
    let packed = sample.iter().flat_map(|id| {
        let file = inputs.packed_file(id);
        let tar = words(&["tar".as_ref(), "-xJf".as_ref(), &file, "-C".as_ref(), &unpacked]);
        let raw = unpacked.join(format!("{}.btf", id.release()));
        [tar, bpftool(&raw, &output, set)]
    });
    let mkdir = words(&["mkdir".as_ref(), "-p".as_ref(), &unpacked]);
    let unpack_each = [mkdir].into_iter().chain(packed).collect();
    let mut cat = vec!["cat".to_owned()];
    cat.extend(inputs.ids.iter().map(|id| inputs.raw_file(id).display().to_string()));
    let by_bpftool = |name: &str, commands| Row {
        name: format!("{name}{sampled}"),
        job: Job { commands, may_fail: true },
        scale,
        versus: None,
        threaded: false,
    };
    let by_btfgen = |name: &str, hub: &Path, versus| Row {
        name: name.to_owned(),
        job: Job { commands: vec![bench.pack(hub, set)], may_fail: false },
        scale: 1.0,
        versus: Some(versus),
        threaded: true,
    };
    vec![
        by_bpftool("bpftool, raw files", loose),
        by_btfgen("btfgen pack, raw files", &inputs.raw(), 0),
        by_btfgen("btfgen pack, hub file", &inputs.hub(), 0),
        Row {
            name: "only reading the raw files".to_owned(),
            job: Job { commands: vec![cat], may_fail: false },
            scale: 1.0,
            versus: Some(0),
            threaded: false,
        },
        by_bpftool("tar and bpftool, .btf.tar.xz", unpack_each),
        by_btfgen("btfgen pack, .btf.tar.xz", &inputs.packed(), 4),
    ]
}

/// The table's head and rows: times, and multiples of bpftool's speed; bpftool always runs on one core.
fn cells(rows: &[Row], columns: &[(String, Vec<Option<Cost>>)]) -> (Vec<String>, Vec<Vec<String>>) {
    let mut head = vec![String::new()];
    head.extend(columns.iter().flat_map(|(name, _)| [name.clone(), String::new()]));
    head.push("peak memory".to_owned());
    let mut table = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let mut cells = vec![row.name.clone()];
        for (_, costs) in columns {
            let Some(cost) = costs[index] else {
                cells.extend([String::new(), String::new()]);
                continue;
            };
            let time = cost.time.mul_f64(row.scale);
            cells.push(process::time(time));
            cells.push(row.versus.map_or("1".to_owned(), |versus| {
                let base = costs[versus].or(columns[0].1[versus]);
                let base = base.map_or(0.0, |base| base.time.as_secs_f64() * rows[versus].scale);
                format!("{:.1}x", base / time.as_secs_f64())
            }));
        }
        let peak = columns.iter().filter_map(|(_, costs)| costs[index]).map(|cost| cost.peak_bytes).max();
        cells.push(format!("{} MB", peak.unwrap_or(0) / 1_000_000));
        table.push(cells);
    }
    (head, table)
}

/// Jobs that take longer with more cores, beyond the noise of two runs.
fn slower(rows: &[Row], columns: &[(String, Vec<Option<Cost>>)]) -> Vec<String> {
    let [(_, one), (name, all), ..] = columns else { return Vec::new() };
    let pairs = rows.iter().zip(one.iter().zip(all)).filter(|(row, _)| row.threaded);
    let slower = pairs.filter_map(|(row, (one, all))| {
        let (one, all) = ((*one)?.time, (*all)?.time);
        (all > one.mul_f64(1.05)).then(|| {
            format!("{}, {} instead of {} ({name})", row.name, process::time(all), process::time(one))
        })
    });
    slower.collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn row(name: &str, scale: f64, versus: Option<usize>, threaded: bool) -> Row {
        Row { name: name.to_owned(), job: Job::default(), scale, versus, threaded }
    }

    fn cost(millis: u64, megabytes: u64) -> Option<Cost> {
        Some(Cost { time: Duration::from_millis(millis), peak_bytes: megabytes * 1_000_000, failed: 0 })
    }

    #[test]
    fn ratios_are_of_scaled_times() {
        let rows = [row("bpftool", 5.0, None, false), row("pack", 1.0, Some(0), true)];
        let columns = [
            ("one".to_owned(), vec![cost(2000, 40), cost(100, 90)]),
            ("two".to_owned(), vec![None, cost(50, 95)]),
        ];
        let (head, rows) = cells(&rows, &columns);
        assert_eq!(head, ["", "one", "", "two", "", "peak memory"]);
        let expect = [
            vec!["bpftool", "10.0 s", "1", "", "", "40 MB"],
            vec!["pack", "100 ms", "100.0x", "50.0 ms", "200.0x", "95 MB"],
        ];
        assert_eq!(rows, expect);
    }

    #[test]
    fn finds_jobs_slower_on_more_cores() {
        let rows = [row("bpftool", 1.0, None, false), row("pack", 1.0, Some(0), true)];
        let check = |one, two, expect: &[&str]| {
            let columns =
                [("one".to_owned(), vec![None, cost(one, 1)]), ("two".to_owned(), vec![None, cost(two, 1)])];
            assert_eq!(slower(&rows, &columns), expect);
        };
        check(100, 50, &[]);
        check(100, 104, &[]);
        check(100, 200, &["pack, 200 ms instead of 100 ms (two)"]);
    }
}
