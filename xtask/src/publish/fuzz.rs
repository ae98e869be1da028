//! Fuzz: builds the fuzz targets and runs each for a while. No nightly toolchain and no cargo-fuzz are needed.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::shell::{self, Outcome, cargo};

/// The flags with which cargo-fuzz instruments code, apart from those for the sanitizer, which need nightly.
const INSTRUMENTATION: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cdebug-assertions",
    "-Ccodegen-units=1",
];

/// Seconds after which one input counts as a failure.
const SLOWEST_INPUT: u64 = 20;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only these fuzz targets
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// How long each target runs; 0 only builds them
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    seconds: u64,
}

/// Runs `cargo xtask fuzz`.
pub(crate) fn run(options: &Options) -> Outcome {
    if !shell::works("c++", &["--version"]) {
        return Err("needs a C++ compiler for libFuzzer (on Debian: apt-get install g++)".into());
    }
    let fuzzer = build()?;
    // Without a target's name it fails and lists the names.
    let names = target_names(&String::from_utf8(Command::new(&fuzzer).output()?.stderr)?)?;
    if let Some(unknown) = options.targets.iter().find(|target| !names.contains(target)) {
        return Err(format!("no fuzz target {unknown}; there are {}", names.join(", ")).into());
    }
    let is_wanted = |name: &&String| options.targets.is_empty() || options.targets.contains(name);
    for name in names.iter().filter(is_wanted).filter(|_| options.seconds > 0) {
        fuzz(&fuzzer, name, options.seconds)?;
    }
    Ok(())
}

fn build() -> Outcome<PathBuf> {
    let mut command = cargo();
    command.env("CARGO_ENCODED_RUSTFLAGS", INSTRUMENTATION.join("\u{1f}"));
    command.env("CARGO_TARGET_DIR", shell::root().join("target/fuzz"));
    // With a target named, the flags apply to neither build scripts nor macros.
    let host = shell::read(Command::new("rustc").arg("--print=host-tuple"))?;
    command.args(["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", host.trim()]);
    Ok(shell::build(&mut command)?.executable()?.to_owned())
}

/// The names in the message of the fuzzer that was given none.
fn target_names(message: &str) -> Outcome<Vec<String>> {
    let (_, list) = message.split_once("set it to one of ").ok_or("the fuzzer lists no targets")?;
    Ok(list.lines().next().unwrap_or_default().split(", ").map(str::to_owned).collect())
}

/// Runs a target from the inputs of earlier runs and those that were committed after a failure.
fn fuzz(fuzzer: &PathBuf, name: &str, seconds: u64) -> Outcome {
    let corpus = shell::root().join("target/fuzz/corpus").join(name);
    let failures = shell::root().join("target/fuzz/failures").join(name);
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&failures)?;
    let committed = shell::root().join("testdata/fuzz").join(name);
    let mut command = Command::new(fuzzer);
    command.env("FUZZ_TARGET", name).arg(corpus).args(committed.is_dir().then_some(committed));
    command.args([
        format!("-max_total_time={seconds}"),
        format!("-timeout={SLOWEST_INPUT}"),
        format!("-artifact_prefix={}/", failures.display()),
        "-print_final_stats=1".to_owned(),
    ]);
    shell::run(&mut command)
        .map_err(|error| format!("{name}: {error}; the input is in {}", failures.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_list_of_targets() {
        let names =
            target_names("panicked:\nFUZZ_TARGET is \"\"; set it to one of object, btf\nnote: x").unwrap();
        assert_eq!(names, ["object", "btf"]);
        assert!(target_names("").is_err());
    }
}
