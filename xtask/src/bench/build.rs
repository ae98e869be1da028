//! Build: what btfgen-build adds to a user's build.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use super::commands::Bench;
use super::sets::Set;
use crate::files;
use crate::shell::{self, Outcome, cargo};

/// Maximum number of crates of a default build.
const MAX_CRATES: usize = 55;

/// Times `generate()` as in a build script, that is without optimization and without earlier results.
pub(super) fn measure(bench: &Bench, sets: &[Set]) -> Outcome {
    println!("\nbuild, all kernels of the example's hub file");
    let args =
        ["build", "--profile", "build-script", "--package", "btfgen-build", "--example", "generate_once"];
    let built = shell::build(cargo().args(args))?;
    let scratch = bench.scratch.join("build");
    for set in sets {
        files::empty_folder(&scratch)?;
        let mut generate = Command::new(built.executable()?);
        let output = shell::read(generate.arg(files::example_hub()).arg(&scratch).args(set.words()))?;
        println!("  {}: {}", set.name, output.trim());
    }
    fs::remove_dir_all(&scratch)?;
    let crates = crates()?;
    println!("  crates of a default build: {crates}, at most {MAX_CRATES}");
    if crates <= MAX_CRATES { Ok(()) } else { Err(format!("a default build has {crates} crates").into()) }
}

/// The number of crates that a user with default features compiles, ours included.
fn crates() -> Outcome<usize> {
    let mut tree = cargo();
    tree.args(["tree", "--package", "btfgen-build", "--package", "btfgen-runtime"]);
    tree.args(["--edges", "normal,build", "--prefix", "none", "--no-dedupe", "--format", "{p}"]);
    Ok(count(&shell::read(&mut tree)?))
}

/// The number of distinct crates in the output of `cargo tree`.
fn count(tree: &str) -> usize {
    let crates: BTreeSet<&str> = tree.lines().filter(|line| !line.is_empty()).collect();
    crates.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_crate_once() {
        assert_eq!(count("a v1.0.0 (path)\nb v1.0.0\nb v2.0.0\n\nb v1.0.0\n"), 3);
        assert_eq!(count(""), 0);
    }
}
