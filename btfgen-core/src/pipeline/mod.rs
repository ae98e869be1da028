//! The pipeline: objects and kernels in, minimized BTFs and a report out; nothing here touches cargo or the configuration.

mod collect;
mod error;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use btfgen_runtime::{KernelId, ObjectDigest};

use crate::btf::Btf;
use crate::files::{self, HubError, TreeEntry};
use crate::hub::KernelFilter;
use crate::hub::file::HubFile;
use crate::kernel::KernelTypes;
use crate::minimize::Minimizer;
use crate::object::Object;
use crate::report::{Groups, Layout, Report, Section, sections};
use crate::resolve::Roots;
use crate::threads::{beside, on_all_cores};
use crate::types::Types;
use collect::collect;
use worker::{Minimized, Worker, other_byte_order};

pub use error::Error;

use std::sync::Arc;

/// What to do with a kernel that fails a relocation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OnFailure {
    /// Keep the kernel and warn: libbpf poisons the instruction, which a program may guard.
    #[default]
    Warn,
    /// Fail.
    Error,
    /// Drop the kernel and warn.
    Drop,
}

/// What is to be embedded, and what is to be said of it.
#[derive(Debug, Clone, Default)]
pub struct Packed {
    /// Each served kernel with the number of its minimized BTF.
    pub entries: Vec<(KernelId, usize)>,
    /// The distinct minimized BTFs.
    pub blobs: Vec<Arc<[u8]>>,
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
    paths.iter().map(|path| parse_object(path, &files::read(path)?)).collect()
}

fn parse_object(path: &Path, bytes: &[u8]) -> Result<Object, Error> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    Object::parse(&name, bytes).map_err(|source| Error::Object { file: path.to_owned(), source })
}

/// A hub file, decoded; none of a hub tree.
type Decoded = Option<Result<HubFile, HubError>>;

/// Reads a hub as far as it can be before it is known what is asked of it.
fn open_hub(path: &Path) -> Decoded {
    let decode = || {
        let bytes = files::read(path)?;
        let file =
            HubFile::open(bytes).map_err(|source| HubError::HubFile { file: path.to_owned(), source })?;
        // Damage is reported where the damaged part is first needed.
        let _ = file.check();
        Ok(file)
    };
    path.is_file().then(decode)
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
    let roots = Roots::new(objects).map_err(Error::Relocations)?;
    let sections = sections(objects);
    Job::new(objects, &roots, &sections, hub, filter).run(open_hub(hub), on_failure)
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
            let roots = Roots::new(&objects).map_err(Error::Relocations)?;
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
        job.run(hub, on_failure)
    }
}

/// What all kernels of a hub are minimized for.
struct Job<'a> {
    objects: &'a [Object],
    roots: &'a Roots,
    groups: OnceLock<Groups>,
    layout: OnceLock<Layout<'a>>,
    sections: &'a [Section],
    hub: &'a Path,
    filter: &'a KernelFilter,
    progress: &'a (dyn Fn(usize, usize) + Sync),
}

/// The wanted kernels of a hub, minimized.
struct HubResults {
    results: Vec<Result<Minimized, Error>>,
    idle: Vec<String>,
    notes: Vec<String>,
}

impl<'a> Job<'a> {
    fn new(
        objects: &'a [Object],
        roots: &'a Roots,
        sections: &'a [Section],
        hub: &'a Path,
        filter: &'a KernelFilter,
    ) -> Self {
        let (groups, layout) = (OnceLock::new(), OnceLock::new());
        Self { objects, roots, sections, groups, layout, hub, filter, progress: &|_, _| {} }
    }

    fn run(&self, hub: Decoded, on_failure: OnFailure) -> Result<Packed, Error> {
        let HubResults { results, idle, notes } = match hub {
            None => self.hub_tree()?,
            Some(file) => self.hub_file(&file?)?,
        };
        let mut packed = collect(self.objects, self.roots, results, on_failure)?;
        packed.report.idle_excludes = idle;
        packed.report.hub_notes = notes;
        Ok(packed)
    }

    fn groups(&self) -> &Groups {
        self.groups.get_or_init(|| Groups::new(self.objects, self.roots))
    }

    fn layout(&self) -> &Layout<'a> {
        self.layout.get_or_init(|| Layout::new(self.objects, self.sections, self.groups()))
    }

    fn worker(&self, types: &Types) -> Worker<'_, 'a> {
        Worker::new(self, types.clone())
    }

    fn hub_tree(&self) -> Result<HubResults, Error> {
        let listing = files::list(self.hub)?;
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
        Ok(HubResults { results, idle: selection.idle, notes })
    }

    /// As [`Job::hub_tree`]; kernels that look the same to the objects are minimized once.
    fn hub_file(&self, file: &HubFile) -> Result<HubResults, Error> {
        let failed = |source| HubError::HubFile { file: self.hub.to_owned(), source };
        let selection = self.filter.select(file.kernels().iter().map(|kernel| &kernel.id))?;
        let id = |at: usize| &file.kernels()[selection.kept[at]].id;
        let mut types = self.roots.types().clone();
        let view = file.view(&mut types, self.roots, &selection.kept).map_err(failed)?;
        let mut same: Vec<Vec<usize>> = vec![Vec::new(); view.distinct.len()];
        view.kernels.iter().enumerate().for_each(|(at, &distinct)| same[distinct].push(at));
        let done = AtomicUsize::new(0);
        let task = |worker: &mut Worker<'_, '_>, at: usize| {
            let result = worker.minimized(id(same[at][0]), &view.distinct[at]);
            let more = same[at].len();
            (self.progress)(done.fetch_add(more, Ordering::Relaxed) + more, selection.kept.len());
            result
        };
        let distinct = on_all_cores(view.distinct.len(), || self.worker(&types), task);
        let distinct = distinct.into_iter().collect::<Result<Vec<Minimized>, Error>>()?;
        let result =
            |(at, &place): (usize, &usize)| Minimized { id: id(at).clone(), ..distinct[place].clone() };
        let results = view.kernels.iter().enumerate().map(|kernel| Ok(result(kernel))).collect();
        Ok(HubResults { results, idle: selection.idle, notes: Vec::new() })
    }
}

/// Minimizes one raw BTF for a set of objects: the job of `bpftool gen min_core_btf`.
///
/// Relocations that get no value are no error here: they get none from the full BTF either.
///
/// # Errors
/// When the BTF is malformed or of another byte order than an object, or the result turns out to differ.
pub fn minimize(objects: &[Object], btf: &[u8]) -> Result<Vec<u8>, Error> {
    let roots = Roots::new(objects).map_err(Error::Relocations)?;
    let mut types = roots.types().clone();
    let kernel = KernelTypes::from_btf(&mut types, &roots, &Btf::parse(btf)?)?;
    if let Some(reason) = other_byte_order(objects, &kernel) {
        return Err(Error::ByteOrder(reason));
    }
    Ok(Minimizer::new(&roots).minimize(&types, &kernel)?.to_vec())
}
