//! Generation: from a build script's configuration to what is embedded, with what cargo is told.

use std::hash::{Hash, Hasher};
use std::path::PathBuf;

use crate::archive;
use crate::cache::{self, CACHE_NAME, Cache, Given, Known, Written};
use crate::cargo::Script;
use crate::config::{Config, Emit, Job};
use crate::error::Context;
use crate::fs;
use crate::pipeline::{self, Collected, Hub, ObjectFile};
use crate::threads::beside;
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
    let outputs = Outputs::of(&job)?;
    [&outputs.cache, &outputs.archive].into_iter().for_each(|path| fs::remove_left_over(path));
    let (files, (hub, cache)) =
        beside(|| pipeline::read_files(&job.objects), || (Hub::read(&job.hub), Cache::read(&outputs.cache)));
    let inputs = hub.as_ref().ok().and_then(|hub| hub.hash(&job.filter));
    let inputs = inputs.and_then(|hub| Some(hash_inputs(&job, files.as_ref().ok()?, hub)));
    let given = inputs.and_then(|inputs| cache.given(inputs));
    if let Some(given) = given
        && outputs.stand(&given)?
    {
        warn(script, &given.report);
        return Ok(Report { from_cache: given.report.kernels.len(), ..given.report });
    }
    let files = files?;
    let parse = || files.iter().map(ObjectFile::object).collect::<Result<Vec<_>, _>>();
    let (objects, mut known) = beside(parse, || cache.known());
    let objects = objects?;
    let in_hub = || format!("while generating from hub {}", job.hub.display());
    let hub = hub.map_err(Error::from).context(in_hub)?;
    loop {
        let hub = (job.hub.as_path(), &hub);
        let (collected, learned) =
            pipeline::pack_knowing(&objects, hub, &job.filter, job.on_failure, &known).context(in_hub)?;
        if let Some(given) = outputs.write(&job, collected, inputs, cache.archive())? {
            // Last of all that is written, so that it never tells of what is not there yet.
            let write = || cache::write(&outputs.cache, &given, &learned);
            beside(|| warn(script, &given.report), write);
            return Ok(given.report);
        }
        // A minimized BTF in the cache is damaged.
        known = Known::default();
    }
}

fn warn(script: &mut Script, report: &Report) {
    for warning in report.warnings() {
        script.warning(&warning);
    }
}

/// Hash of all that goes into what is generated; `hub` is that of the hub and of which of its kernels are wanted.
fn hash_inputs(job: &Job, objects: &[ObjectFile], hub: u64) -> u64 {
    let mut hasher = cache::hasher();
    (cache::hash_program(), &job.hub, hub).hash(&mut hasher);
    for object in objects {
        (&object.path, object.hash).hash(&mut hasher);
    }
    (job.on_failure, job.emit, job.level).hash(&mut hasher);
    hasher.finish()
}

/// What stands in `OUT_DIR`.
struct Outputs {
    archive: PathBuf,
    tree: PathBuf,
    cache: PathBuf,
    /// Which forms are asked for.
    with_archive: bool,
    with_tree: bool,
}

impl Outputs {
    fn of(job: &Job) -> Result<Self, Error> {
        let file = |name| Ok::<_, Error>(job.out_dir()?.join(name));
        Ok(Self {
            archive: file(ARCHIVE_NAME)?,
            tree: file(TREE_NAME)?,
            cache: file(CACHE_NAME)?,
            with_archive: matches!(job.emit, Emit::Archive | Emit::Both),
            with_tree: matches!(job.emit, Emit::Tree | Emit::Both),
        })
    }

    /// Whether the forms asked for stand as the last build gave them; the other one is removed.
    fn stand(&self, given: &Given) -> Result<bool, Error> {
        if self.with_archive && !given.archive.stands_at(&self.archive) {
            return Ok(false);
        }
        self.remove_others()?;
        let mut blobs =
            given.report.kernels.iter().filter_map(|it| Some((&it.id, given.blobs.get(it.blob?)?)));
        Ok(!self.with_tree || archive::is_tree_of(&self.tree, &mut blobs)?)
    }

    /// Writes the forms asked for, and removes the other one, which would grow stale; the archive only if it is not
    /// there as it was `known`. None if a minimized BTF is needed that is damaged.
    fn write(
        &self,
        job: &Job,
        collected: Collected,
        inputs: Option<u64>,
        known: Option<Written>,
    ) -> Result<Option<Given>, Error> {
        let Collected { entries, blobs, hashes, objects, mut report } = collected;
        let bytes = || blobs.iter().map(|blob| blob.bytes().map(<[u8]>::to_vec)).collect::<Option<Vec<_>>>();
        let from = Written::hash_of_parts(&entries, &hashes, &objects, job.level);
        let stands =
            |known: &Written| known.from == from && (!self.with_archive || known.stands_at(&self.archive));
        let archive = match known.filter(stands) {
            Some(known) => known,
            None => {
                let Some(blobs) = bytes() else { return Ok(None) };
                // The archive is made in any case: writing it reads every blob back.
                let bytes = archive::write(&entries, &blobs, &objects, job.level)?;
                if self.with_archive {
                    fs::write_if_changed(&self.archive, &bytes)?;
                }
                Written { from, len: bytes.len(), hash: cache::hash_bytes(&bytes) }
            }
        };
        if self.with_archive {
            report.archive_bytes = archive.len;
        }
        if self.with_tree {
            let Some(blobs) = bytes() else { return Ok(None) };
            archive::write_tree(&self.tree, &entries, &blobs)?;
        }
        self.remove_others()?;
        Ok(Some(Given { inputs, archive, blobs: hashes, report }))
    }

    /// Removes the form that is not asked for.
    fn remove_others(&self) -> Result<(), Error> {
        if !self.with_archive {
            fs::remove_file_if_there(&self.archive)?;
        }
        if !self.with_tree {
            archive::write_tree(&self.tree, &[], &[])?;
        }
        Ok(())
    }
}
