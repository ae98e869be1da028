//! Oracle: compares the resolver with libbpf, aya-obj and bpftool on testdata.

use crate::shell::{self, Outcome, cargo};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Rewrite `testdata/expected` with what libbpf decides
    #[arg(long)]
    bless: bool,
}

/// Runs `cargo xtask oracle`.
pub(crate) fn run(options: &Options) -> Outcome {
    if !options.bless {
        return shell::run(cargo().args(["test", "--package", "oracle"]));
    }
    let args = ["test", "--package", "oracle", "--test", "fixtures", "--", "as_expected"];
    shell::run(cargo().args(args).env("ORACLE_BLESS", "1"))
}
