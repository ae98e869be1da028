//! Generation: from a build script's configuration to what is embedded, and what cargo is told.

use std::path::Path;

use btfgen_core::pipeline::{Inputs, Packed};
use btfgen_core::{archive, files};

use crate::cargo::Script;
use crate::config::{Config, Emit, Job};
use crate::{Error, Report};

/// File name of the archive in `OUT_DIR`, which `btfgen_runtime::embed!` includes.
const ARCHIVE_NAME: &str = "btfgen.archive";

/// Folder name of the tree form in `OUT_DIR`.
const TREE_NAME: &str = "btfgen-tree";

/// Generates what `btfgen.toml`, next to the calling package's `Cargo.toml`, asks for.
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
    let out_dir = job.out_dir()?;
    let in_hub =
        |error| Error::from(error).context(format!("while generating from hub {}", job.hub.display()));
    let inputs = Inputs::read(&job.objects, &job.hub)?;
    let mut packed = inputs.pack(&job.filter, job.on_failure, &|_, _| {}).map_err(in_hub)?;
    for warning in packed.report.warnings() {
        script.warning(&warning);
    }
    // Made in any case: writing an archive reads every minimized BTF back.
    let archive = archive::write(&packed.entries, &packed.blobs, &packed.objects, job.level)?;
    if matches!(job.emit, Emit::Archive | Emit::Both) {
        packed.report.archive_bytes = archive.len();
    }
    write(&job, out_dir, &packed, &archive)?;
    Ok(packed.report)
}

/// Writes the forms that are asked for, and removes the other one, which would become stale.
fn write(job: &Job, out_dir: &Path, packed: &Packed, archive: &[u8]) -> Result<(), Error> {
    let path = out_dir.join(ARCHIVE_NAME);
    match job.emit {
        Emit::Archive | Emit::Both => {
            files::write_if_changed(&path, archive)?;
        }
        Emit::Tree => files::remove_file_if_there(&path)?,
    }
    let entries = if job.emit == Emit::Archive { &[][..] } else { &packed.entries };
    files::write_tree(&out_dir.join(TREE_NAME), entries, &packed.blobs)?;
    Ok(())
}
