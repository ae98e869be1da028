//! Browser: `cargo xtask browser` opens the report as a page and the page of `btfgen serve` in Chromium and uses them as a reader
//! does, by mouse, keyboard and address. What they say is compared with the report's JSON.

mod check;
mod driver;
mod fixtures;
mod pages;
mod report;
mod serve;

use std::path::{Path, PathBuf};

use crate::setup;
use crate::shell::Outcome;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write screenshots to this folder
    #[arg(long, value_name = "FOLDER")]
    screenshots: Option<PathBuf>,
}

/// Runs `cargo xtask browser`.
pub(crate) fn run(options: &Options) -> Outcome {
    setup::run()?;
    match driver::obstacle() {
        None => look(options.screenshots.as_deref()),
        Some(obstacle) => Err(obstacle.into()),
    }
}

/// Runs it, or reports why that is not possible here.
pub(crate) fn run_if_possible() -> Outcome {
    match driver::obstacle() {
        None => look(None),
        Some(obstacle) => {
            eprintln!("browser: skipped: {obstacle}");
            Ok(())
        }
    }
}

fn look(screenshots: Option<&Path>) -> Outcome {
    report::run(screenshots)?;
    serve::run(screenshots)
}
