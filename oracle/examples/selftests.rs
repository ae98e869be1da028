//! Judges the kernel's own CO-RE cases, which `cargo xtask selftests` compiles: full against minimized BTF, and btfgen's
//! resolver against libbpf's.
//!
//! The argument is a list with one case per line: name, object, target, program, `loads` or `fails`, separated by tabs.
//! The target `-` means all available kernels.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/kernels.rs"]
mod kernels;
#[path = "../tests/common/ours.rs"]
mod ours;

use std::error::Error;
use std::fs;
use std::process::ExitCode;

use common::{differences, for_each_selection, minimize};
use kernels::kernels;
use oracle::elf::ObjectFile;
use oracle::libbpf::{Judge, Outcome, Selection};
use ours::Ours;

/// The running kernel's BTF.
const RUNNING: &str = "/sys/kernel/btf/vmlinux";

struct Case<'a> {
    name: &'a str,
    object: Vec<u8>,
    program: &'a str,
    fails: bool,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let list = std::env::args_os().nth(1).ok_or("missing argument: the list of cases")?;
    let (mut passed, mut failed) = (0, 0);
    println!("{:<58} {:>5}  {:<34} minimized", "case", "relos", "result");
    for line in fs::read_to_string(list)?.lines() {
        let [name, object, target, program, end] = line.split('\t').collect::<Vec<_>>()[..] else {
            return Err(format!("not a case: {line}").into());
        };
        let case = Case { name, object: fs::read(object)?, program, fails: end == "fails" };
        for (kernel, btf) in targets(target, case.object.get(5) == Some(&2))? {
            let name = format!("{}{kernel}", case.name);
            match check(&case, &btf) {
                Ok(row) => {
                    println!("{name:<58} {row}");
                    passed += 1;
                }
                Err(error) => {
                    println!("{name:<58} FAILED: {error}");
                    failed += 1;
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A suffix of the case's name, and the BTF to judge it against.
type Target = (String, Vec<u8>);

/// The target's types, or those of every available kernel in the object's byte order.
fn targets(path: &str, big_endian: bool) -> Result<Vec<Target>, Box<dyn Error>> {
    if path != "-" {
        return Ok(vec![(String::new(), ObjectFile::parse(&fs::read(path)?)?.btf)]);
    }
    let magic = if big_endian { 0xeb } else { 0x9f };
    let kernels = kernels().into_iter().map(|kernel| (kernel.id, kernel.btf.to_vec()));
    let running = fs::read(RUNNING).ok().map(|btf| ("running".to_owned(), btf));
    let all = kernels.chain(running).filter(|(_, btf)| btf.first() == Some(&magic));
    Ok(all.map(|(id, btf)| (format!(" {id}"), btf)).collect())
}

/// Judges one case; returns its row of the table, or an error with all differences.
fn check(case: &Case<'_>, target: &[u8]) -> Result<String, Box<dyn Error>> {
    let file = ObjectFile::parse(&case.object)?;
    let mut judge = Judge::new(&file, target)?;
    let results = judge.relocations(&Selection::Only(&[case.program]));
    let (failure, poisoned) = (results.failure(), results.poisoned());
    if case.fails && failure.is_none() && poisoned == 0 {
        return Err("must fail, but every relocation resolves".into());
    }
    if let Some(failure) = failure.filter(|_| !case.fails) {
        return Err(format!("must load, but #{} {:?}", failure.number, failure.outcome).into());
    }
    let ours = Ours::new(&case.object, target);
    let mut lines = Vec::new();
    for_each_selection(&file, |selection| {
        lines.extend(ours.differences(&file, selection, &judge.relocations(selection)));
    });
    let minimized = minimize(&case.object, target)?;
    let (more, _) = differences(&file, target, &minimized);
    lines.extend(more);
    if minimize(&case.object, &minimized)? != minimized {
        lines.push("minimizing again changes the bytes".to_owned());
    }
    lines.sort();
    lines.dedup();
    if !lines.is_empty() {
        return Err(lines.join("\n    ").into());
    }
    let values = results.relocations.len() - poisoned - usize::from(failure.is_some());
    let mut words = vec![format!("{values} values")];
    words.extend((poisoned > 0).then(|| format!("{poisoned} poison")));
    words.extend(failure.map(|failure| match failure.outcome {
        Outcome::Unpatchable(..) => "does not fit".to_owned(),
        _ => "failure".to_owned(),
    }));
    words.extend(case.fails.then(|| "as expected".to_owned()));
    let sizes = format!("{} -> {} bytes", target.len(), minimized.len());
    Ok(format!("{:>5}  {:<34} {sizes}", file.relocations.len(), words.join(", ")))
}
