//! Oracle: has libbpf, aya-obj and bpftool judge the fixtures, and writes libbpf's decisions on them down.

use crate::shell::{self, Outcome, cargo};

/// `cargo xtask oracle` runs all judges; `--bless` rewrites `testdata/expected` from what libbpf decides.
pub(crate) fn run(args: &[String]) -> Outcome {
    match args {
        [] => shell::run(cargo().args(["test", "--package", "oracle"])),
        [flag] if flag == "--bless" => {
            let args = ["test", "--package", "oracle", "--test", "fixtures", "--", "as_expected"];
            shell::run(cargo().args(args).env("ORACLE_BLESS", "1"))
        }
        _ => Err("takes nothing but --bless".into()),
    }
}
