//! Browser: `cargo xtask browser` opens the report as a page in Chromium and uses it as a reader does, by mouse, keyboard and address.
//! What the page says is compared with the report's JSON.

mod check;
mod driver;
mod pages;
mod report;

use std::path::PathBuf;

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
        None => report::run(options.screenshots.as_deref()),
        Some(obstacle) => Err(obstacle.into()),
    }
}

/// Runs it, or reports why that is not possible here.
pub(crate) fn run_if_possible() -> Outcome {
    match driver::obstacle() {
        None => report::run(None),
        Some(obstacle) => {
            eprintln!("browser: skipped: {obstacle}");
            Ok(())
        }
    }
}
