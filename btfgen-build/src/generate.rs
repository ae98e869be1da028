//! Generation: from a build script's configuration to what is embedded, with what cargo is told.

use crate::archive;
use crate::cache::{self, CACHE_NAME, Known, Written};
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
    let cache = job.out_dir()?.join(CACHE_NAME);
    [&cache, &job.out_dir()?.join(ARCHIVE_NAME)].into_iter().for_each(|path| fs::remove_left_over(path));
    let known = Known::read(&cache);
    let (mut packed, mut learned) =
        pipeline::pack_knowing(&objects, &job.hub, &job.filter, job.on_failure, &known)
            .context(|| format!("while generating from hub {}", job.hub.display()))?;
    for warning in packed.report.warnings() {
        script.warning(&warning);
    }
    learned.archive = Some(write(&job, &mut packed, learned.archive)?);
    // Last, so that it never tells of what is not there yet.
    if learned != known {
        learned.write(&cache);
    }
    Ok(packed.report)
}

/// Writes the forms asked for, and removes the other one, which would grow stale; the archive only if it is not
/// there as it was `known`.
fn write(job: &Job, packed: &mut Packed, known: Option<Written>) -> Result<Written, Error> {
    let out_dir = job.out_dir()?;
    let (path, tree) = (out_dir.join(ARCHIVE_NAME), out_dir.join(TREE_NAME));
    let with_archive = matches!(job.emit, Emit::Archive | Emit::Both);
    let from = Written::hash_of_parts(&packed.entries, &packed.blobs, &packed.objects, job.level);
    let written = match known.filter(|known| known.from == from && (!with_archive || known.stands_at(&path)))
    {
        Some(known) => known,
        None => {
            // The archive is made in any case: writing it reads every blob back.
            let bytes = archive::write(&packed.entries, &packed.blobs, &packed.objects, job.level)?;
            if with_archive {
                fs::write_if_changed(&path, &bytes)?;
            }
            Written { from, len: bytes.len(), hash: cache::hash_bytes(&bytes) }
        }
    };
    if with_archive {
        packed.report.archive_bytes = written.len;
    } else {
        fs::remove_file_if_there(&path)?;
    }
    let with_tree = matches!(job.emit, Emit::Tree | Emit::Both);
    let entries = if with_tree { packed.entries.as_slice() } else { &[] };
    archive::write_tree(&tree, entries, &packed.blobs)?;
    Ok(written)
}
