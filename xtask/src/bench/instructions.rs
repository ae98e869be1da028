//! Instructions: callgrind's counts on the hot paths, compared with the committed counts, free of noise.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::commands::{Bench, command, runtime_example, words};
use super::sets::{Set, SetName};
use super::{process, runtime};
use crate::engine::read_btf;
use crate::files;
use crate::shell::{self, Outcome};
use crate::table::{Alignment, table};

/// The committed counts, from the workspace's root.
const COUNTS: &str = "xtask/instructions.toml";

/// How much a count may grow, in percent: the C library and the CPU's features have a small effect.
const TOLERANCE: u64 = 3;

/// The committed file.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Counts {
    /// The output of `rustc --version`: another compiler's counts differ.
    rustc: String,
    /// Instructions of each job.
    instructions: BTreeMap<String, u64>,
}

/// Counts, and fails if a count has grown; with `bless`, writes the counts instead.
pub(super) fn compare(bench: &Bench, bless: bool) -> Outcome {
    println!("\ninstructions, on one core");
    if !shell::works("valgrind", &["--version"]) {
        println!("  skipped: valgrind is not installed (on Debian: apt-get install valgrind)");
        return Ok(());
    }
    let path = shell::root().join(COUNTS);
    let committed = match fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text)?,
        Err(_) if bless => Counts::default(),
        Err(error) => return Err(format!("{COUNTS}: {error}; write it with --bless").into()),
    };
    let rustc = shell::read(Command::new("rustc").arg("--version"))?.trim().to_owned();
    let mut counted = Counts { rustc, instructions: BTreeMap::new() };
    if counted.rustc != committed.rustc && !bless {
        println!("  built with {}, but the committed counts are of {}", counted.rustc, committed.rustc);
    }
    let mut rows = Vec::new();
    let mut grown = Vec::new();
    for (name, words) in jobs(bench)? {
        let now = count(&words)?;
        let before = committed.instructions.get(name).copied();
        let verdict = Verdict::of(now, before);
        if verdict == Verdict::Grown {
            grown.push(name);
        }
        let before_text = before.map_or("none".to_owned(), |count| count.to_string());
        rows.push(vec![name.to_owned(), now.to_string(), before_text, verdict.text(now, before)]);
        counted.instructions.insert(name.to_owned(), now);
    }
    print!("{}", table(&["", "now", "committed", ""], &rows, Alignment::Right));
    if bless {
        let head = "# Written by `cargo xtask bench --only instructions --bless`.\n";
        return Ok(fs::write(&path, format!("{head}{}", toml::to_string(&counted)?))?);
    }
    if grown.is_empty() { Ok(()) } else { Err(format!("more instructions: {}", grown.join("; ")).into()) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Same,
    /// Grown by more than the tolerance.
    Grown,
    /// Shrunk by more than the tolerance, or not counted before: the committed counts should be renewed.
    Stale,
}

impl Verdict {
    fn of(now: u64, before: Option<u64>) -> Self {
        match before {
            Some(before) if now * 100 > before * (100 + TOLERANCE) => Self::Grown,
            Some(before) if now * 100 >= before * (100 - TOLERANCE) => Self::Same,
            _ => Self::Stale,
        }
    }

    fn text(self, now: u64, before: Option<u64>) -> String {
        #[expect(clippy::cast_precision_loss, reason = "a percentage")]
        let change = before.map(|before| format!("{:+.1}%", (now as f64 / before as f64 - 1.0) * 100.0));
        let change = change.unwrap_or_default();
        if self == Self::Stale { format!("{change} renew it with --bless") } else { change }
    }
}

/// The hot paths by name.
fn jobs(bench: &Bench) -> Outcome<Vec<(&'static str, Vec<String>)>> {
    let [three, medium, large] =
        [SetName::Three, SetName::Medium, SetName::Large].map(|set| set.load(&bench.scratch));
    let (three, medium, large) = (three?, medium?, large?);
    let mut pack = bench.pack(&files::example_hub(), &medium);
    pack.extend(["--arch", "x86_64"].map(str::to_owned));
    let raw = bench.scratch.join("kernel.btf");
    fs::write(&raw, &read_btf(&kernel())?[..])?;
    let minimize = |set: &Set| {
        let output = bench.scratch.join("minimized.btf");
        let command = words(&[&bench.btfgen, "minimize".as_ref(), &raw, "-o".as_ref(), &output]);
        [command, set.words()].concat()
    };
    let mut lookup = words(&[&runtime_example("lookup", "release")?, &bench.pack_example(&three)?]);
    lookup.extend(runtime::HOST.map(str::to_owned));
    Ok(vec![
        ("pack the medium set from the hub file", pack),
        ("minimize one raw BTF for the medium set", minimize(&medium)),
        ("minimize one raw BTF for the large set", minimize(&large)),
        ("look up a host 1,001 times", lookup),
    ])
}

/// A real kernel, with functions and variables.
fn kernel() -> PathBuf {
    oracle::testdata::folder().join("kernels/debian/12/x86_64/6.1.0-50-amd64.btf.tar.xz")
}

/// Instructions of a command on one core, without the kernel's.
fn count(words: &[String]) -> Outcome<u64> {
    let mut all = process::on_one_core()?;
    all.extend(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"].map(str::to_owned));
    all.extend_from_slice(words);
    let output = command(&all)?.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    collected(&said)
        .filter(|_| output.status.success())
        .ok_or_else(|| format!("{}:\n{said}", all.join(" ")).into())
}

/// The count in callgrind's output.
fn collected(said: &str) -> Option<u64> {
    let line = said.lines().rev().find_map(|line| line.split_once("== Collected : "))?;
    line.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_count() {
        let check = |said, expect| assert_eq!(collected(said), expect, "{said}");
        check("==12== Events    : Ir\n==12== Collected : 123456\n==12==\n", Some(123_456));
        check("warning: x\n", None);
    }

    #[test]
    fn tolerates_a_few_percent() {
        let check = |now, before, expect, text: &str| {
            assert_eq!(Verdict::of(now, before), expect, "{now} {before:?}");
            assert_eq!(expect.text(now, before), text);
        };
        check(1000, Some(1000), Verdict::Same, "+0.0%");
        check(1030, Some(1000), Verdict::Same, "+3.0%");
        check(1031, Some(1000), Verdict::Grown, "+3.1%");
        check(970, Some(1000), Verdict::Same, "-3.0%");
        check(900, Some(1000), Verdict::Stale, "-10.0% renew it with --bless");
        check(900, None, Verdict::Stale, " renew it with --bless");
    }
}
