//! Generation: from a build script's configuration to what is embedded, with what cargo is told.

use crate::archive;
use crate::cargo::Script;
use crate::config::{Config, Emit, Job};
use crate::error::Context;
use crate::fs;
use crate::pipeline::{self, Packed};
use crate::{Error, Report};

/// File name of the archive in `OUT_DIR`, which `btfgen_runtime::embed!` includes.
pub const ARCHIVE_NAME: &str = "btfgen.archive";

/// Folder name of the tree form in `OUT_DIR`.
pub const TREE_NAME: &str = "btfgen-tree";

/// Generates what `btfgen.toml`, beside the calling package's `Cargo.toml`, asks for.
///
/// ```no_run
/// // build.rs
/// btfgen_build::generate().unwrap_or_else(|error| error.exit());
/// ```
///
/// # Errors
/// When a file is missing or malformed, a glob matches nothing, or a kernel fails that must not; nothing is written then.
pub fn generate() -> Result<Report, Error> {
    let mut script = Script::new();
    let report =
        Config::of_package(&mut script).map_err(Error::from).and_then(|config| run(&config, &mut script));
    script.print();
    report
}

impl Config {
    /// Generates what this configuration asks for.
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

fn run(config: &Config, script: &mut Script) -> Result<Report, Error> {
    let job = config.resolve(script)?;
    let objects = pipeline::read_objects(&job.objects)?;
    let mut packed = pipeline::pack(&objects, &job.hub, &job.filter, job.on_failure)
        .context(|| format!("while generating from hub {}", job.hub.display()))?;
    for warning in packed.report.warnings() {
        script.warning(&warning);
    }
    write(&job, &mut packed)?;
    Ok(packed.report)
}

/// Writes the forms asked for, and removes the other one, which would grow stale.
fn write(job: &Job, packed: &mut Packed) -> Result<(), Error> {
    let out_dir = job.out_dir()?;
    let (archive_path, tree) = (out_dir.join(ARCHIVE_NAME), out_dir.join(TREE_NAME));
    // The archive is made in any case: writing it reads every blob back.
    let archive = archive::write(&packed.entries, &packed.blobs, &packed.objects, job.level)?;
    if matches!(job.emit, Emit::Archive | Emit::Both) {
        packed.report.archive_bytes = archive.len();
        fs::write_if_changed(&archive_path, &archive)?;
    } else {
        fs::remove_file_if_there(&archive_path)?;
    }
    let with_tree = matches!(job.emit, Emit::Tree | Emit::Both);
    let entries = if with_tree { packed.entries.as_slice() } else { &[] };
    archive::write_tree(&tree, entries, &packed.blobs)?;
    Ok(())
}
