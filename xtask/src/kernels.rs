//! Kernels: `cargo xtask kernels` boots Debian's kernels and lets execwatch run on them, their own BTF hidden.

mod cpio;
mod guest;
mod judge;
mod stock;
mod wishes;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use btfgen_core::KernelId;
use btfgen_runtime::Archive;

use crate::shell::{self, Outcome, cargo};
use crate::{corpus, files, setup};
use guest::Root;
use judge::{Answer, Expect, Verdict, judge};
use stock::{Files, Stock};
use wishes::{CI, Choice};

/// Names the hub to the build of the example, in place of the one in its `btfgen.toml`.
const HUB_VARIABLE: &str = "BTFGEN_HUB";
/// Guests that run at once.
const JOBS: usize = 2;
/// Fewest kernels that a whole run boots.
const FEWEST: usize = 8;

const USAGE: &str = "usage: cargo xtask kernels [--ci | --only N]";

/// `cargo xtask kernels`; with `--ci` or `--only N`, the first few.
pub(crate) fn run(args: &[String]) -> Outcome {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let only = match words[..] {
        [] => None,
        ["--ci"] => Some(CI),
        ["--only", number] => Some(number.parse().map_err(|_| USAGE)?),
        _ => return Err(USAGE.into()),
    };
    setup::run(&[])?;
    if let Some(obstacle) = obstacle() {
        return Err(obstacle.into());
    }
    let started = Instant::now();
    let folder = shell::root().join("target/kernels");
    let scratch = folder.join("scratch");
    files::empty_folder(&scratch)?;
    let stock = Stock::open(folder.join("packages"))?;

    let vendored = Execwatch::build(None, &scratch.join("vendored"))?;
    let mut choices = wishes::choose(&stock.offered(), &vendored.kernels());
    if only.is_none() && choices.len() < FEWEST {
        return Err(format!("the mirrors offer {} kernels to boot, not {FEWEST}", choices.len()).into());
    }
    choices.truncate(only.unwrap_or(usize::MAX));
    let packages = read_packages(&stock, &choices)?;
    let hub = hub_of_packages(&folder.join("hub"), &choices, &packages)?;
    let without = Execwatch::build(Some(&hub), &scratch.join("without"))?;
    let guests = guests(&choices, &packages, &vendored, &without)?;
    if !guests.iter().any(|guest| matches!(guest.expect.answer, Answer::Inferred { .. })) {
        return Err(
            "no kernel on offer lies between two with one BTF, so no nearest match can be shown".into()
        );
    }
    let rows = boot_all(&guests);
    print!("{}", table(&rows));
    let failed = rows.iter().filter(|row| !row.verdict.faults.is_empty()).count();
    for row in &rows {
        for fault in &row.verdict.faults {
            println!("{}: {fault}", row.kernel);
        }
    }
    println!("\nwhat the guests printed is in target/kernels/scratch");
    println!("{:.0} s in all", started.elapsed().as_secs_f64());
    println!("{} passed, {failed} failed", rows.len() - failed);
    if failed == 0 { Ok(()) } else { Err(format!("{failed} kernels failed").into()) }
}

/// `cargo xtask kernels --ci` where it can be run; where it cannot, it says so and nothing is wrong.
pub(crate) fn if_possible() -> Outcome {
    match obstacle() {
        None => run(&["--ci".to_owned()]),
        Some(obstacle) => {
            eprintln!("kernels: left out: {obstacle}");
            Ok(())
        }
    }
}

/// What stands in the way of booting kernels here, if anything does.
fn obstacle() -> Option<String> {
    if std::env::consts::ARCH != "x86_64" {
        return Some("the kernels booted are of x86_64, and execwatch is built for this machine".to_owned());
    }
    guest::obstacle().or_else(|| corpus::mirrors().err().map(|error| error.to_string()))
}

/// A build of execwatch, ready for guests, with what is embedded in it.
struct Execwatch {
    root: Root,
    archive: Vec<u8>,
}

impl Execwatch {
    /// Builds it on the hub that its `btfgen.toml` names, or on another.
    fn build(hub: Option<&Path>, scratch: &Path) -> Outcome<Self> {
        fs::create_dir_all(scratch)?;
        let mut command = cargo();
        match hub {
            Some(hub) => command.env(HUB_VARIABLE, hub),
            None => command.env_remove(HUB_VARIABLE),
        };
        let built = shell::build(command.args(["build", "--package", "example-app"]))?;
        let archive = fs::read(built.generated("btfgen.archive")?)?;
        Ok(Self { root: Root::new(built.executable()?, scratch)?, archive })
    }

    fn kernels(&self) -> BTreeSet<KernelId> {
        Archive::open(&self.archive).map(|archive| archive.kernels().collect()).unwrap_or_default()
    }

    /// Number and length of a kernel's blob.
    fn blob(&self, id: &KernelId) -> Outcome<(usize, usize)> {
        let archive = Archive::open(&self.archive)?;
        let number = archive.blob_of(id).ok_or_else(|| format!("{id} is not embedded"))?;
        Ok((number, archive.blob(number)?.len()))
    }
}

/// The packages of the kernels to boot and of the neighbours of the one that is left out.
fn read_packages(stock: &Stock, choices: &[Choice]) -> Outcome<BTreeMap<KernelId, Files>> {
    let needed = choices.iter().flat_map(|choice| choice.neighbours.iter().flatten().chain([&choice.id]));
    needed.map(|id| Ok((id.clone(), stock.files(id)?))).collect()
}

/// A hub tree of the packages' own BTFs, without that of the kernel that is to be refused.
fn hub_of_packages(hub: &Path, choices: &[Choice], packages: &BTreeMap<KernelId, Files>) -> Outcome<PathBuf> {
    files::empty_folder(hub)?;
    let left_out =
        |id: &KernelId| choices.iter().any(|choice| choice.id == *id && choice.neighbours.is_some());
    for (id, files) in packages.iter().filter(|(id, _)| !left_out(id)) {
        let file = hub.join(format!("{id}.btf"));
        fs::create_dir_all(file.parent().unwrap_or(hub))?;
        fs::copy(&files.btf, file)?;
    }
    Ok(hub.to_owned())
}

/// One boot: the kernel, the build of execwatch for it, and what must come out.
struct Guest<'a> {
    execwatch: &'a Execwatch,
    /// Of which kernels' BTFs that build has the minimized ones.
    hub: &'static str,
    image: &'a Path,
    options: &'static str,
    /// Number and length of the blob that must be taken.
    blob: Option<(usize, usize)>,
    expect: Expect,
}

fn guests<'a>(
    choices: &[Choice],
    packages: &'a BTreeMap<KernelId, Files>,
    vendored: &'a Execwatch,
    without: &'a Execwatch,
) -> Outcome<Vec<Guest<'a>>> {
    let in_vendored = vendored.kernels();
    let guest = |choice: &Choice| -> Outcome<Guest<'a>> {
        let (execwatch, hub) = match choice.neighbours {
            None if in_vendored.contains(&choice.id) => (vendored, "vendored"),
            _ => (without, "packages"),
        };
        let (options, blob, answer) = match &choice.neighbours {
            None => {
                let blob = execwatch.blob(&choice.id)?;
                ("", Some(blob), Answer::Entry { blob_len: blob.1 })
            }
            Some(neighbours) => {
                let [before, after] = neighbours;
                let (blob, neighbours) = (execwatch.blob(before)?, neighbours.clone());
                if blob == execwatch.blob(after)? {
                    ("--nearest", Some(blob), Answer::Inferred { neighbours, blob_len: blob.1 })
                } else {
                    ("--nearest", None, Answer::Refused { neighbours })
                }
            }
        };
        let files = packages.get(&choice.id).ok_or("a package was not read")?;
        let expect = Expect { kernel: choice.id.clone(), answer };
        Ok(Guest { execwatch, hub, image: &files.image, options, blob, expect })
    };
    choices.iter().map(guest).collect()
}

/// What came of a guest.
struct Row {
    kernel: KernelId,
    hub: &'static str,
    blob: Option<(usize, usize)>,
    time: Duration,
    verdict: Verdict,
}

/// Boots the guests, several at once; the rows come in the guests' order.
fn boot_all(guests: &[Guest<'_>]) -> Vec<Row> {
    let queue = Mutex::new(guests.iter().enumerate());
    let rows = Mutex::new(Vec::new());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..JOBS {
            scope.spawn(|| {
                while let Some((number, guest)) = next() {
                    let row = guest.boot();
                    let outcome = if row.verdict.faults.is_empty() { "passed" } else { "failed" };
                    eprintln!("{}: {outcome} after {:.0} s", row.kernel, row.time.as_secs_f64());
                    rows.lock().unwrap_or_else(PoisonError::into_inner).push((number, row));
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    rows.sort_by_key(|(number, _)| *number);
    rows.into_iter().map(|(_, row)| row).collect()
}

impl Guest<'_> {
    fn boot(&self) -> Row {
        let kernel = &self.expect.kernel;
        let (time, verdict) = match self.execwatch.root.boot(kernel, self.image, self.options) {
            Ok(run) => (run.time, judge(&run.output, &self.expect)),
            Err(error) => (Duration::ZERO, Verdict { faults: vec![error.to_string()], ..Verdict::default() }),
        };
        Row { kernel: kernel.clone(), hub: self.hub, blob: self.blob, time, verdict }
    }
}

/// A line a kernel.
fn table(rows: &[Row]) -> String {
    let mut lines: Vec<[String; 7]> =
        vec![["kernel", "hub", "source of BTF", "blob", "load", "values", "time"].map(str::to_owned)];
    for Row { kernel, hub, blob, time, verdict } in rows {
        let Verdict { source, loaded, equal, compared, .. } = verdict;
        let load = if loaded.is_empty() { "none".to_owned() } else { loaded.join(" ") };
        lines.push([
            kernel.to_string(),
            (*hub).to_owned(),
            if source.is_empty() { "none".to_owned() } else { source.clone() },
            blob.map_or("none".to_owned(), |(number, len)| format!("#{number}, {len} B")),
            load,
            if *compared == 0 { "none".to_owned() } else { format!("{equal} of {compared} equal") },
            format!("{:.0} s", time.as_secs_f64()),
        ]);
    }
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let row = |line: &[String; 7]| {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    lines.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lines_up() {
        let row = |kernel: &str, equal| Row {
            kernel: kernel.parse().unwrap(),
            hub: "packages",
            blob: Some((1, 700)),
            time: Duration::from_secs(21),
            verdict: Verdict {
                source: "embedded archive".into(),
                loaded: vec!["libbpf", "aya"],
                equal,
                compared: 28,
                faults: Vec::new(),
            },
        };
        let text = table(&[
            row("debian/12/x86_64/6.1.0-9-amd64", 28),
            row("debian/12/x86_64/6.1.0-10-cloud-amd64", 3),
        ]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[2].contains("  #1, 700 B  libbpf aya  3 of 28 equal   21 s"), "{text}");
        let column = |line: &str, cell: &str| line.find(cell).unwrap();
        assert_eq!(column(lines[0], "values"), column(lines[1], "28 of"));
        assert_eq!(column(lines[0], "values"), column(lines[2], "3 of"));
    }
}
