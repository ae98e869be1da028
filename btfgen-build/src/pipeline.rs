//! The pipeline: objects and kernels in, minimized BTFs and a report out; nothing here touches cargo or the configuration.

mod collect;
mod next;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use btfgen_runtime::{KernelId, ObjectDigest};

use crate::btf::Btf;
use crate::cache::Blob;
use crate::error::Context;
use crate::hub::file::HubFile;
use crate::hub::{self, HubError, KernelFilter, TreeEntry};
use crate::kernel::KernelTypes;
use crate::minimize::{MinimizeError, Minimizer};
use crate::object::Object;
use crate::report::{Groups, Layout, Report, Section, sections};
use crate::roots::Roots;
use crate::threads::{beside, on_all_cores};
use crate::types::Types;
use crate::{Error, ErrorKind, OnFailure};
use collect::collect;
use next::Last;
use worker::{Minimized, Worker, other_byte_order};

pub(crate) use collect::Collected;
pub(crate) use next::{Hub, ObjectFile, pack_knowing, read_files};

/// What is to be embedded, and what is to be said of it.
#[derive(Debug, Clone, Default)]
pub struct Packed {
    /// Each served kernel with the number of its minimized BTF.
    pub entries: Vec<(KernelId, usize)>,
    /// The distinct minimized BTFs.
    pub blobs: Vec<Vec<u8>>,
    /// The objects' digests, by which the runtime tells a stale archive.
    pub objects: Vec<ObjectDigest>,
    /// The report.
    pub report: Report,
}

/// Reads and parses objects.
///
/// # Errors
/// When a file cannot be read or is no eBPF object; the error names it.
pub fn read_objects(paths: &[PathBuf]) -> Result<Vec<Object>, Error> {
    paths.iter().map(|path| parse_object(path, &crate::fs::read(path)?)).collect()
}

fn parse_object(path: &Path, bytes: &[u8]) -> Result<Object, Error> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    Object::parse(&name, bytes).context(|| format!("while reading object {}", path.display()))
}

fn roots_of(objects: &[Object]) -> Result<Roots, Error> {
    Roots::new(objects).context(|| "while reading the objects' relocations".to_owned())
}

/// A hub file, decoded; none of a hub tree.
type Decoded = Option<Result<HubFile, HubError>>;

/// Reads a hub as far as it can be before it is known what is asked of it.
fn open_hub(path: &Path) -> Decoded {
    path.is_file().then(|| decode(path, crate::fs::read(path)?))
}

/// Opens and decodes a hub file; a damaged part is told of where it is first needed.
fn decode(path: &Path, bytes: Vec<u8>) -> Result<HubFile, HubError> {
    let file = HubFile::open(bytes).map_err(|source| HubError::File { file: path.to_owned(), source })?;
    let _ = file.check();
    Ok(file)
}

/// Minimizes the wanted kernels of a hub for a set of objects.
///
/// # Errors
/// When the hub cannot be read, no kernel is wanted or served, a kernel fails and `on_failure` says to stop, or a
/// minimized BTF turns out to differ.
pub fn pack(
    objects: &[Object],
    hub: &Path,
    filter: &KernelFilter,
    on_failure: OnFailure,
) -> Result<Packed, Error> {
    let (roots, sections) = (roots_of(objects)?, sections(objects));
    let job = Job::new(objects, &roots, &sections, hub, filter);
    Ok(job.run(open_hub(hub))?.collected(objects, &roots, on_failure)?.into())
}

/// What a run is made from: objects, and a hub.
pub struct Inputs {
    objects: Vec<Object>,
    roots: Roots,
    path: PathBuf,
    hub: Decoded,
}

impl Inputs {
    /// Reads and parses objects; beside that a hub file is read and decoded.
    ///
    /// # Errors
    /// As [`read_objects`]; what is wrong with the hub is told by [`Inputs::pack`].
    pub fn read(objects: &[PathBuf], hub: &Path) -> Result<Self, Error> {
        let read = || {
            let objects = read_objects(objects)?;
            let roots = roots_of(&objects)?;
            Ok::<_, Error>((objects, roots))
        };
        let (read, opened) = beside(read, || open_hub(hub));
        let (objects, roots) = read?;
        Ok(Self { objects, roots, path: hub.to_owned(), hub: opened })
    }

    /// As the function [`pack`]; `progress` is told after each kernel how many are done, and of how many, from several threads.
    ///
    /// # Errors
    /// As [`pack`].
    pub fn pack(
        self,
        filter: &KernelFilter,
        on_failure: OnFailure,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Packed, Error> {
        let Self { objects, roots, path, hub } = self;
        let sections = sections(&objects);
        let job = Job { progress, ..Job::new(&objects, &roots, &sections, &path, filter) };
        Ok(job.run(hub)?.collected(&objects, &roots, on_failure)?.into())
    }
}

impl From<Collected> for Packed {
    fn from(collected: Collected) -> Self {
        let Collected { entries, blobs, objects, report, .. } = collected;
        // All of them were made just now.
        let blobs = blobs.iter().filter_map(Blob::bytes).map(<[u8]>::to_vec).collect();
        Self { entries, blobs, objects, report }
    }
}

/// What all kernels of a hub are minimized for.
struct Job<'a> {
    objects: &'a [Object],
    roots: &'a Roots,
    /// Made when a relocation's verdict or outcome is first asked for, the last for the sections that changed.
    groups: OnceLock<Groups>,
    layout: OnceLock<Layout<'a>>,
    changed: OnceLock<Layout<'a>>,
    sections: &'a [Section],
    hub: &'a Path,
    filter: &'a KernelFilter,
    progress: &'a (dyn Fn(usize, usize) + Sync),
    /// The last build, if it is to be asked and this one's findings are to be kept.
    last: Option<Last<'a>>,
}

/// The wanted kernels of a hub, minimized.
struct HubResults {
    results: Vec<Result<Minimized, Error>>,
    idle: Vec<String>,
    notes: Vec<String>,
    /// Hash of a hub file and of the filter.
    hub: Option<u64>,
}

impl HubResults {
    fn collected(self, objects: &[Object], roots: &Roots, on_failure: OnFailure) -> Result<Collected, Error> {
        let mut collected = collect(objects, roots, self.results, on_failure)?;
        collected.report.idle_excludes = self.idle;
        collected.report.hub_notes = self.notes;
        Ok(collected)
    }
}

impl<'a> Job<'a> {
    fn new(
        objects: &'a [Object],
        roots: &'a Roots,
        sections: &'a [Section],
        hub: &'a Path,
        filter: &'a KernelFilter,
    ) -> Self {
        let (groups, layout, changed) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self {
            objects,
            roots,
            sections,
            groups,
            layout,
            changed,
            hub,
            filter,
            progress: &|_, _| {},
            last: None,
        }
    }

    fn run(&self, hub: Decoded) -> Result<HubResults, Error> {
        match hub {
            None => self.hub_tree(),
            Some(file) => self.hub_file(&file?, None),
        }
    }

    fn groups(&self) -> &Groups {
        self.groups.get_or_init(|| Groups::new(self.objects, self.roots))
    }

    fn layout(&self) -> &Layout<'a> {
        self.layout.get_or_init(|| Layout::new(self.objects, self.sections, self.groups(), |_| true))
    }

    /// Of the sections that changed since the last build.
    fn changed_layout(&self, last: Last<'_>) -> &Layout<'a> {
        let changed = |section: usize| last.changed[section];
        self.changed.get_or_init(|| Layout::new(self.objects, self.sections, self.groups(), changed))
    }

    fn worker(&self, types: &Types) -> Worker<'_, 'a> {
        Worker::new(self, types.clone())
    }

    fn hub_tree(&self) -> Result<HubResults, Error> {
        let listing = hub::list(self.hub)?;
        let selection = self.filter.select(listing.kernels.iter().map(|kernel| &kernel.id))?;
        let kernels: Vec<&TreeEntry> = selection.kept.iter().map(|&at| &listing.kernels[at]).collect();
        let done = AtomicUsize::new(0);
        let task = |worker: &mut Worker<'_, '_>, at: usize| {
            let result = worker.kernel(kernels[at]);
            (self.progress)(done.fetch_add(1, Ordering::Relaxed) + 1, kernels.len());
            result
        };
        let results = on_all_cores(kernels.len(), || self.worker(self.roots.types()), task);
        let notes = listing.notes.iter().map(ToString::to_string).collect();
        Ok(HubResults { results, idle: selection.idle, notes, hub: None })
    }

    /// As [`Job::hub_tree`]; kernels that look the same to the objects are minimized once.
    fn hub_file(&self, file: &HubFile, hub: Option<u64>) -> Result<HubResults, Error> {
        let failed = |source| HubError::File { file: self.hub.to_owned(), source };
        let selection = self.filter.select(file.kernels().iter().map(|kernel| &kernel.id))?;
        let id = |at: usize| &file.kernels()[selection.kept[at]].id;
        let mut types = self.roots.types().clone();
        let view = file.view(&mut types, self.roots, &selection.kept).map_err(failed)?;
        let content = self.last.map(|_| types.content_hashes());
        let mut same: Vec<Vec<usize>> = vec![Vec::new(); view.distinct.len()];
        view.kernels.iter().enumerate().for_each(|(at, &distinct)| same[distinct].push(at));
        let done = AtomicUsize::new(0);
        let task = |worker: &mut Worker<'_, '_>, at: usize| {
            let kernel = &view.distinct[at];
            let key = content.as_ref().map(|content| kernel.fingerprint(content));
            let result = match worker.recall(id(same[at][0]), key) {
                Some(known) => Ok(known),
                None => worker.minimized(id(same[at][0]), kernel, key),
            };
            let more = same[at].len();
            (self.progress)(done.fetch_add(more, Ordering::Relaxed) + more, selection.kept.len());
            result
        };
        let distinct = on_all_cores(view.distinct.len(), || self.worker(&types), task);
        let distinct = distinct.into_iter().collect::<Result<Vec<Minimized>, Error>>()?;
        let result =
            |(at, &place): (usize, &usize)| Minimized { id: id(at).clone(), ..distinct[place].clone() };
        let results = view.kernels.iter().enumerate().map(|kernel| Ok(result(kernel))).collect();
        Ok(HubResults { results, idle: selection.idle, notes: Vec::new(), hub })
    }
}

/// Minimizes one raw BTF for a set of objects: the job of `bpftool gen min_core_btf`.
///
/// Relocations that get no value are no error here: they get none from the full BTF either.
///
/// # Errors
/// When the BTF is malformed or of another byte order than an object, or the result turns out to differ.
pub fn minimize(objects: &[Object], btf: &[u8]) -> Result<Vec<u8>, Error> {
    let roots = roots_of(objects)?;
    let mut types = roots.types().clone();
    let kernel = KernelTypes::from_btf(&mut types, &roots, &Btf::parse(btf)?)?;
    if let Some(reason) = other_byte_order(objects, &kernel) {
        return Err(Error::new(ErrorKind::Object, reason));
    }
    match Minimizer::new(&roots).minimize(&types, &kernel) {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(error @ MinimizeError::Difference(_)) => Err(Error::new(ErrorKind::Internal, error)),
        Err(error) => Err(Error::new(ErrorKind::Btf, error)),
    }
}
