//! What the runtime costs a program: bytes of code, microseconds and memory of a look-up.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::shell::{self, Outcome, cargo};

/// A kernel of the example's hub, with what `uname` says on it.
const HOST: [&str; 3] = ["6.1.0-50-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-06-20)", "x86_64"];

/// Packs three tools for all kernels of the example's hub, looks one up, and compares two small programs.
pub(super) fn costs(btfgen: &Path, scratch: &Path) -> Outcome {
    println!("\nat run time");
    let archive = scratch.join("tools.archive");
    let suite = oracle::testdata::folder().join("objects/el");
    let mut pack = Command::new(btfgen);
    pack.args(["pack", "--hub"]).arg(shell::root().join("example-app/kernels.hub")).arg("-o").arg(&archive);
    pack.args(["opensnoop", "biolatency", "tcpconnect"].map(|name| suite.join(format!("{name}.o"))));
    shell::read(&mut pack)?;
    let lookup = example("lookup", "release")?;
    let said = shell::read(Command::new(lookup).arg(&archive).args(HOST))?;
    let (micros, kilobytes) = said.trim().split_once(' ').ok_or("lookup prints two numbers")?;
    println!(
        "  look-up, host read and path made:          {micros:>6} microseconds median, {kilobytes} KB of memory, archive of {} bytes",
        fs::metadata(&archive)?.len()
    );
    let size = |name| -> Outcome<u64> { Ok(fs::metadata(example(name, "size")?)?.len()) };
    let (without, with, checked) = (size("size_without")?, size("size_with")?, size("size_checked")?);
    println!("  own code and decoder:                      {:>6} bytes", own_code()?);
    println!(
        "  added to a stripped binary, all told:      {:>6} bytes ({without} to {with})",
        with - without
    );
    println!("  added to that by a check of the object:    {:>6} bytes", checked - with);
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
fn example(name: &str, profile: &str) -> Outcome<std::path::PathBuf> {
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
