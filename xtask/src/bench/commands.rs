//! Commands: those of `btfgen` and bpftool that are measured, as lists of words.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::sets::Set;
use crate::files;
use crate::shell::{self, Outcome, cargo};

/// The measured `btfgen`, and a folder for what it writes.
pub(super) struct Bench {
    pub(super) btfgen: PathBuf,
    pub(super) scratch: PathBuf,
}

impl Bench {
    /// The archive that [`Self::pack`] writes.
    pub(super) fn archive(&self, set: &Set) -> PathBuf {
        self.scratch.join(format!("{}.archive", set.name))
    }

    /// The words of `btfgen pack`.
    pub(super) fn pack(&self, hub: &Path, set: &Set) -> Vec<String> {
        let words = words(&[&self.btfgen, "pack".as_ref(), "--hub".as_ref(), hub, "-o".as_ref()]);
        [words, vec![self.archive(set).display().to_string()], set.words()].concat()
    }

    /// Packs the example's hub file; returns the archive.
    pub(super) fn pack_example(&self, set: &Set) -> Outcome<PathBuf> {
        self.report(&files::example_hub(), set)?;
        Ok(self.archive(set))
    }

    /// Packs; returns the report, without showing its warnings.
    pub(super) fn report(&self, hub: &Path, set: &Set) -> Outcome<serde_json::Value> {
        let words = [self.pack(hub, set), vec!["--json".to_owned()]].concat();
        let output = command(&words)?.output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// The words of `bpftool gen min_core_btf`.
pub(super) fn bpftool(kernel: &Path, output: &Path, set: &Set) -> Vec<String> {
    let words = words(&[shell::bpftool().as_ref(), "gen".as_ref(), "min_core_btf".as_ref(), kernel, output]);
    [words, set.words()].concat()
}

/// Paths and other words as text.
pub(super) fn words(words: &[&Path]) -> Vec<String> {
    words.iter().map(|word| word.display().to_string()).collect()
}

/// A command of words.
pub(super) fn command(words: &[String]) -> Outcome<Command> {
    let [program, args @ ..] = words else { return Err("no command".into()) };
    let mut command = Command::new(program);
    command.args(args);
    Ok(command)
}

/// Builds an example of btfgen-runtime.
pub(super) fn runtime_example(name: &str, profile: &str) -> Outcome<PathBuf> {
    let args = ["build", "--profile", profile, "--package", "btfgen-runtime", "--example", name];
    Ok(shell::build(cargo().args(args))?.executable()?.into())
}
