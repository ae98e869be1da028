//! What the runtime costs a program: bytes of code, microseconds and memory of a look-up.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::inputs::{self, Set};
use super::{packed, process};
use crate::shell::{self, Outcome, cargo};

/// A kernel of the example's hub, with what `uname` says on it.
pub(super) const HOST: [&str; 3] =
    ["6.1.0-50-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-06-20)", "x86_64"];

/// Looks a host up among all kernels of the example's hub, and compares two small programs.
pub(super) fn costs(btfgen: &Path, scratch: &Path) -> Outcome {
    println!("\nat run time, all kernels of the example's hub");
    let lookup = example("lookup", "release")?;
    let head = ["look-up, host read and path made", "median", "memory", "archive"];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    for set in [inputs::three()?, inputs::large(scratch)?, inputs::diverse(scratch)?] {
        let archive = archive(btfgen, scratch, &set)?;
        let said = shell::read(Command::new(&lookup).arg(&archive).args(HOST))?;
        let (micros, kilobytes) = said.trim().split_once(' ').ok_or("lookup prints two numbers")?;
        let bytes = fs::metadata(&archive)?.len();
        table.push(vec![
            set.name.to_owned(),
            format!("{micros} us"),
            format!("{kilobytes} KB"),
            bytes.to_string(),
        ]);
    }
    print!("{}", process::table(&table));
    let size = |name| -> Outcome<u64> { Ok(fs::metadata(example(name, "size")?)?.len()) };
    let (without, with, checked) = (size("size_without")?, size("size_with")?, size("size_checked")?);
    println!("  own code and decoder: {} bytes", own_code()?);
    println!("  added to a stripped binary, all told: {} bytes ({without} to {with})", with - without);
    println!("  added to that by a check of the object: {} bytes", checked - with);
    Ok(())
}

/// Packs a set of objects for all kernels of the example's hub.
pub(super) fn archive(btfgen: &Path, scratch: &Path, set: &Set) -> Outcome<PathBuf> {
    let archive = scratch.join(format!("{}.archive", set.name));
    packed(btfgen, &inputs::example_hub(), &archive, set)?;
    Ok(archive)
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

/// The size in a line of `nm -SC`, if it is of a function of this project's or of the decoder's.
fn own_size(line: &str) -> Option<u64> {
    let mut words = line.splitn(4, ' ');
    let (_, size, kind, name) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let own = ["btfgen_runtime", "rustix", "ZSTD", "HUF_", "FSE_", "XXH", "zstd"]
        .iter()
        .any(|mark| name.contains(mark));
    if own && kind.eq_ignore_ascii_case("t") { u64::from_str_radix(size, 16).ok() } else { None }
}

/// Builds an example of btfgen-runtime.
pub(super) fn example(name: &str, profile: &str) -> Outcome<PathBuf> {
    let args = ["build", "--profile", profile, "--package", "btfgen-runtime", "--example", name];
    Ok(shell::build(cargo().args(args))?.executable()?.into())
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
