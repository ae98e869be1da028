//! Packages: what is published builds on its own, and its public API is the committed one.

mod examples;
mod outside;
mod public_api;

use crate::shell::Outcome;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write the listings of the public API
    #[arg(long)]
    bless: bool,
}

/// Runs `cargo xtask packages`.
pub(crate) fn run(options: &Options) -> Outcome {
    public_api::run(options.bless)?;
    outside::run()
}

/// Compares the public API, and builds from the packages.
pub(crate) fn check() -> Outcome {
    run(&Options { bless: false })
}
