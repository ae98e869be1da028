//! Runtime: time and memory of a look-up, and the code that the runtime adds to a program.

use std::fs;
use std::process::Command;

use super::commands::{Bench, runtime_example};
use super::sets::Set;
use crate::shell::{self, Outcome, cargo};
use crate::table::{Alignment, table};

/// A kernel of the example's hub, with its `uname`.
pub(super) const HOST: [&str; 3] =
    ["6.1.0-50-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-06-20)", "x86_64"];

/// Looks a host up among all kernels of the example's hub, and compares small programs.
pub(super) fn measure(bench: &Bench, sets: &[Set]) -> Outcome {
    println!("\nat run time, all kernels of the example's hub");
    let lookup = runtime_example("lookup", "release")?;
    let mut rows = Vec::new();
    for set in sets {
        let archive = bench.pack_example(set)?;
        let output = shell::read(Command::new(&lookup).arg(&archive).args(HOST))?;
        let (micros, kilobytes) = output.trim().split_once(' ').ok_or("lookup prints two numbers")?;
        let bytes = fs::metadata(&archive)?.len();
        rows.push(vec![
            set.name.clone(),
            format!("{micros} us"),
            format!("{kilobytes} KB"),
            bytes.to_string(),
        ]);
    }
    let head = ["look-up, with reading the host and making the path", "median", "memory", "archive bytes"];
    print!("{}", table(&head, &rows, Alignment::Right));
    let size = |name| -> Outcome<u64> { Ok(fs::metadata(runtime_example(name, "size")?)?.len()) };
    let (without, with, checked) = (size("size_without")?, size("size_with")?, size("size_checked")?);
    println!("  own code and decoder: {} bytes", own_code()?);
    println!("  added to a stripped binary: {} bytes ({without} to {with})", with - without);
    println!("  added to that by a check of the object: {} bytes", checked - with);
    Ok(())
}

/// Bytes of the functions of btfgen-runtime and of zstd in `size_with`.
fn own_code() -> Outcome<u64> {
    let mut build = cargo();
    build.args(["build", "--profile", "size", "--config", "profile.size.strip=false"]);
    build.args(["--package", "btfgen-runtime", "--example", "size_with"]);
    let binary = shell::build(&mut build)?;
    let symbols = shell::read(Command::new("nm").arg("-SC").arg(binary.executable()?))?;
    Ok(symbols.lines().filter_map(own_size).sum())
}

/// The size in a line of `nm -SC`, if it is a function of this project or of the decoder.
fn own_size(line: &str) -> Option<u64> {
    let mut words = line.splitn(4, ' ');
    let (_, size, kind, name) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let own = ["btfgen_runtime", "rustix", "ZSTD", "HUF_", "FSE_", "XXH", "zstd"]
        .iter()
        .any(|mark| name.contains(mark));
    if own && kind.eq_ignore_ascii_case("t") { u64::from_str_radix(size, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_symbols() {
        let check = |line, expect| assert_eq!(own_size(line), expect, "{line}");
        check("0000000000012340 00000000000000ff t btfgen_runtime::select::select_or", Some(255));
        check("0000000000012340 0000000000000010 T ZSTD_decompressBlock", Some(16));
        check("0000000000012340 0000000000000010 t core::fmt::write", None);
        check("0000000000012340 0000000000000010 r btfgen_runtime::TABLE", None);
        check("                 U read", None);
    }
}
