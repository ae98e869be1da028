//! Nearest: how often the inferred nearest match is right, measured by leaving each vendored kernel out in turn.

use std::path::PathBuf;
use std::process::Command;

use crate::shell::{self, Outcome, cargo};
use crate::{files, setup};

/// Sets of objects that archives are made for: what is nearest depends on what is read.
const SETS: [&[&str]; 3] =
    [&["opensnoop", "biolatency", "tcpconnect"], &["syscall_count", "hello"], &["kernel"]];

/// `cargo xtask nearest`.
pub(crate) fn run(_args: &[String]) -> Outcome {
    setup::run(&[])?;
    let root = shell::root();
    let tool = ["build", "--release", "--package", "btfgen", "--bin", "btfgen"];
    let tool = shell::build(cargo().args(tool))?;
    let scratch = root.join("target/nearest");
    files::empty_folder(&scratch)?;
    let suite = oracle::testdata::folder().join("objects/el");
    let mut archives: Vec<PathBuf> = Vec::new();
    for set in SETS {
        let archive = scratch.join(format!("{}.archive", set[0]));
        let mut pack = Command::new(tool.executable()?);
        pack.args(["pack", "--hub"]).arg(root.join("example-app/kernels.hub"));
        pack.arg("-o").arg(&archive).args(set.iter().map(|name| suite.join(format!("{name}.o"))));
        shell::read(&mut pack)?;
        archives.push(archive);
    }
    let example = ["build", "--release", "--package", "btfgen-runtime", "--example", "leave_one_out"];
    let example = shell::build(cargo().args(example))?;
    shell::run(Command::new(example.executable()?).args(archives))
}
