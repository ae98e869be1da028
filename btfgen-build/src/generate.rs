//! Generation: from a configuration to the files that a program embeds, and the instructions for cargo.

use btfgen_core::files;
use btfgen_core::pipeline;
use btfgen_core::report::{Report, describe_broken};

use crate::cargo::Script;
#[cfg(feature = "html")]
use crate::config::ReportForm;
use crate::config::{Config, Emit};
use crate::error::{Cause, Error, ErrorKind};

/// File name of the archive in `OUT_DIR`.
const ARCHIVE_NAME: &str = "btfgen.archive";

/// Folder name of the tree form in `OUT_DIR`.
const TREE_NAME: &str = "btfgen-tree";

/// File name of the report's page in `OUT_DIR`.
const PAGE_NAME: &str = "btfgen-report.html";

/// Generates minimized BTFs by `btfgen.toml`, which is next to the calling package's `Cargo.toml`.
///
/// ```no_run
/// // build.rs
/// let report = btfgen_build::generate().unwrap_or_else(|error| error.exit());
/// println!("cargo::warning={} kernels in {} bytes", report.kernels.len(), report.archive_bytes);
/// ```
///
/// # Errors
/// When a file is missing or malformed, a glob matches nothing, or a program fails on a kernel where `[[require]]` requires it.
/// Nothing is written then.
pub fn generate() -> Result<Report, Error> {
    let mut script = Script::new();
    let report = match Config::of_package(&mut script) {
        Ok(config) => run(&config, &mut script),
        Err(error) => Err(error.into()),
    };
    script.print();
    report
}

impl Config {
    /// Generates minimized BTFs by this configuration.
    ///
    /// # Errors
    /// As [`generate`].
    pub fn generate(&self) -> Result<Report, Error> {
        let mut script = Script::new();
        let report = run(self, &mut script);
        if self.prints_metadata() {
            script.print();
        }
        report
    }
}

/// Programs do not run where they are required.
#[derive(Debug, thiserror::Error)]
#[error(
    "required programs fail ([[require]]; \"btfgen report\" shows more):\n{reasons}\n\
     guard what is missing with a CO-RE check, name the programs in optional, or require fewer kernels"
)]
struct Broken {
    /// The programs, kernels and reasons, in some lines.
    reasons: String,
}

impl Cause for Broken {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Require
    }
}

fn run(config: &Config, script: &mut Script) -> Result<Report, Error> {
    let plan = config.resolve(script)?;
    let out_dir = plan.out_dir()?;
    let mut packed = pipeline::run(&plan.request, &|_, _| {})?;
    let forecast = &packed.report.forecast;
    let broken = plan.gate.check(forecast)?;
    if !broken.is_empty() {
        return Err(Broken { reasons: describe_broken(forecast, &broken) }.into());
    }

    // Write only what changed, and remove the form that is not wanted, which would become stale.
    let archive_path = out_dir.join(ARCHIVE_NAME);
    if plan.emit == Emit::Tree {
        files::remove_file_if_present(&archive_path)?;
    } else {
        let archive = packed.archive(plan.level)?;
        packed.report.archive_bytes = archive.len();
        files::write_if_changed(&archive_path, &archive)?;
        script.archive(&archive_path);
    }
    let in_tree = packed.btfs().filter(|_| plan.emit != Emit::Archive);
    files::write_tree(&out_dir.join(TREE_NAME), in_tree)?;
    if plan.emit == Emit::Tree {
        // Files of a tree are raw BTF, which has no build id.
        packed.report.kernels.iter_mut().for_each(|kernel| kernel.build_id = None);
    }

    for warning in packed.report.warnings() {
        script.warning(&warning);
    }
    let page_path = out_dir.join(PAGE_NAME);
    match plan.report {
        #[cfg(feature = "html")]
        Some(ReportForm::Html) => {
            let page = btfgen_core::report::page::page(&packed.report);
            files::write_if_changed(&page_path, page.as_bytes())?;
            // cargo shows nothing else of a script that succeeds.
            script.warning(&format!("report saved to {}", page_path.display()));
        }
        _ => files::remove_file_if_present(&page_path)?,
    }
    Ok(packed.report)
}
