//! Nearest: how often the inferred nearest match is right, measured by leaving each vendored kernel out in turn.

use std::path::PathBuf;
use std::process::Command;

use crate::engine::BTFGEN;
use crate::files;
use crate::shell::{self, Outcome, cargo};

/// Sets of objects to make archives for: what is nearest depends on what is read.
const SETS: [&[&str]; 3] =
    [&["opensnoop", "biolatency", "tcpconnect"], &["syscall_count", "hello"], &["kernel"]];

/// Runs `cargo xtask nearest`.
pub(crate) fn run() -> Outcome {
    let btfgen = shell::build(cargo().args(["build", "--release"]).args(BTFGEN))?;
    let scratch = shell::root().join("target/nearest");
    files::empty_folder(&scratch)?;
    let suite = oracle::testdata::folder().join("objects/el");
    let mut archives: Vec<PathBuf> = Vec::new();
    for set in SETS {
        let archive = scratch.join(format!("{}.archive", set[0]));
        let mut pack = Command::new(btfgen.named("btfgen")?);
        pack.args(["pack", "--hub"]).arg(files::example_hub());
        pack.arg("-o").arg(&archive).args(set.iter().map(|name| suite.join(format!("{name}.o"))));
        shell::read(&mut pack)?;
        archives.push(archive);
    }
    let example = ["build", "--release", "--package", "btfgen-runtime", "--example", "leave_one_out"];
    let example = shell::build(cargo().args(example))?;
    shell::run(Command::new(example.executable()?).args(archives))
}
