//! The pipeline: objects and kernels in, minimized BTFs and a report out; nothing here touches cargo or the configuration.

mod worker;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use btfgen_runtime::{KernelId, ObjectDigest};

use crate::btf::{Btf, Endian};
use crate::cache::{self, Finding, Known, Listing};
use crate::error::Context;
use crate::hub::file::HubFile;
use crate::hub::{self, HubError, KernelFilter, TreeEntry};
use crate::kernel::KernelTypes;
use crate::memo::Memo;
use crate::minimize::MinimizeError;
use crate::object::Object;
use crate::report::{KernelReport, ObjectReport, Problem, Report, Unresolved};
use crate::resolve::{RelocationKind, describe_spec};
use crate::roots::{Place, Roots};
use crate::threads::on_all_cores;
use crate::types::Types;
use crate::{Error, ErrorKind, OnFailure};
use worker::{Last, Minimized, Worker};

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
pub fn read_objects(paths: &[std::path::PathBuf]) -> Result<Vec<Object>, Error> {
    paths
        .iter()
        .map(|path| {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
            let bytes = crate::fs::read(path)?;
            Object::parse(&name, &bytes).context(|| format!("while reading object {}", path.display()))
        })
        .collect()
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
    pack_with(objects, hub, filter, on_failure, &|_, _| {})
}

/// As [`pack`]; `progress` is told after each kernel how many are done, and of how many, from several threads.
///
/// # Errors
/// As [`pack`].
pub fn pack_with(
    objects: &[Object],
    hub: &Path,
    filter: &KernelFilter,
    on_failure: OnFailure,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Packed, Error> {
    let roots = Roots::new(objects).context(|| "while reading the objects' relocations".to_owned())?;
    Job { objects, roots: &roots, hub, filter, progress, last: None }
        .read()?
        .packed(objects, &roots, on_failure)
}

/// As [`pack`], with what the last build found out; returned is what there is to know for the next one too.
///
/// # Errors
/// As [`pack`].
pub(crate) fn pack_knowing(
    objects: &[Object],
    hub: &Path,
    filter: &KernelFilter,
    on_failure: OnFailure,
    known: Known,
) -> Result<(Packed, Known), Error> {
    let roots = Roots::new(objects).context(|| "while reading the objects' relocations".to_owned())?;
    let names = objects.iter().map(|object| (object.name().to_owned(), object.endian() == Endian::Big));
    let known = known.in_context(cache::context(&roots, names, hub));
    let code = cache::code(objects);
    let last = Last { known: &known, same_code: known.code == code };
    let job = Job { objects, roots: &roots, hub, filter, progress: &|_, _| {}, last: Some(last) };
    let read = job.read()?;
    let learned = read.learned(&known, code);
    Ok((read.packed(objects, &roots, on_failure)?, learned))
}

/// What all kernels of a hub are minimized for.
struct Job<'a> {
    objects: &'a [Object],
    roots: &'a Roots,
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
    fn packed(self, objects: &[Object], roots: &Roots, on_failure: OnFailure) -> Result<Packed, Error> {
        let mut packed = collect(objects, roots, self.results, on_failure)?;
        packed.report.idle_excludes = self.idle;
        packed.report.hub_notes = self.notes;
        Ok(packed)
    }

    /// What there is to know for the next build.
    fn learned(&self, known: &Known, code: u64) -> Known {
        let mut learned = Known { context: known.context, code, archive: known.archive, ..Known::default() };
        let mut kernels = Vec::with_capacity(self.results.len());
        for minimized in self.results.iter().flatten() {
            let Some(key) = minimized.key else { continue };
            kernels.push((minimized.id.clone(), key));
            let (bytes, unresolved) = (&minimized.bytes, &minimized.unresolved);
            let finding = || Finding { bytes: bytes.clone(), unresolved: Arc::clone(unresolved) };
            learned.findings.entry(key).or_insert_with(finding);
        }
        let whole = self.hub.filter(|_| kernels.len() == self.results.len());
        learned.listing = whole.map(|hub| Listing { hub, kernels, idle: self.idle.clone() });
        learned
    }
}

impl<'a> Job<'a> {
    fn read(&self) -> Result<HubResults, Error> {
        if self.hub.is_file() { self.hub_file() } else { self.hub_tree() }
    }

    fn worker(&self, types: &Types) -> Worker<'a> {
        Worker::new(self.objects, self.roots, types.clone(), self.last)
    }

    fn hub_tree(&self) -> Result<HubResults, Error> {
        let listing = hub::list(self.hub)?;
        let selection = self.filter.select(listing.kernels.iter().map(|kernel| &kernel.id))?;
        let kernels: Vec<&TreeEntry> = selection.kept.iter().map(|&at| &listing.kernels[at]).collect();
        let done = AtomicUsize::new(0);
        let task = |worker: &mut Worker<'_>, at: usize| {
            let result = worker.kernel(kernels[at]);
            (self.progress)(done.fetch_add(1, Ordering::Relaxed) + 1, kernels.len());
            result
        };
        let results = on_all_cores(kernels.len(), || self.worker(self.roots.types()), task);
        let notes = listing.notes.iter().map(ToString::to_string).collect();
        Ok(HubResults { results, idle: selection.idle, notes, hub: None })
    }

    /// As [`Job::hub_tree`]; kernels that look the same to the objects are minimized once.
    fn hub_file(&self) -> Result<HubResults, Error> {
        let failed = |source| HubError::File { file: self.hub.to_owned(), source };
        let bytes = crate::fs::read(self.hub)?;
        let hub = self.last.map(|_| cache::hash_hub(&bytes, self.filter));
        if let Some(results) = hub.and_then(|hub| self.remembered(hub)) {
            return Ok(results);
        }
        let file = HubFile::open(bytes).map_err(failed)?;
        let selection = self.filter.select(file.kernels().iter().map(|kernel| &kernel.id))?;
        let id = |at: usize| &file.kernels()[selection.kept[at]].id;
        let mut types = self.roots.types().clone();
        let view = file.view(&mut types, self.roots, &selection.kept).map_err(failed)?;
        let content = self.last.map(|_| types.content_hashes());
        let mut same: Vec<Vec<usize>> = vec![Vec::new(); view.distinct.len()];
        view.kernels.iter().enumerate().for_each(|(at, &distinct)| same[distinct].push(at));
        let done = AtomicUsize::new(0);
        let task = |worker: &mut Worker<'_>, at: usize| {
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

    /// The kernels of a hub file that is the last build's, if each is known.
    fn remembered(&self, hub: u64) -> Option<HubResults> {
        let Known { listing, findings, .. } = self.last?.known;
        let listing = listing.as_ref().filter(|listing| listing.hub == hub)?;
        let mut first: BTreeMap<u64, &KernelId> = BTreeMap::new();
        for (id, key) in &listing.kernels {
            first.entry(*key).or_insert(id);
        }
        let first: Vec<(u64, &KernelId)> =
            first.into_iter().filter(|(key, _)| findings.contains_key(key)).collect();
        let task = |worker: &mut Worker<'_>, at: usize| worker.recall(first[at].1, Some(first[at].0));
        let recalled = on_all_cores(first.len(), || self.worker(self.roots.types()), task);
        let result = |(id, key): &(KernelId, u64)| {
            let place = first.binary_search_by_key(key, |(key, _)| *key).ok()?;
            Some(Ok(Minimized { id: id.clone(), ..recalled[place].clone()? }))
        };
        let results = listing.kernels.iter().map(result).collect::<Option<_>>()?;
        Some(HubResults { results, idle: listing.idle.clone(), notes: Vec::new(), hub: Some(hub) })
    }
}

/// Minimizes one raw BTF for a set of objects: the job of `bpftool gen min_core_btf`.
///
/// Relocations that get no value are no error here: they get none from the full BTF either.
///
/// # Errors
/// When the BTF is malformed or of another byte order than an object, or the result turns out to differ.
pub fn minimize(objects: &[Object], btf: &[u8]) -> Result<Vec<u8>, Error> {
    let roots = Roots::new(objects).context(|| "while reading the objects' relocations".to_owned())?;
    let mut worker = Worker::new(objects, &roots, roots.types().clone(), None);
    let kernel = KernelTypes::from_btf(&mut worker.types, &roots, &Btf::parse(btf)?)?;
    if let Some(reason) = worker.other_byte_order(&kernel) {
        return Err(Error::new(ErrorKind::Object, reason));
    }
    match worker.minimizer.minimize(&worker.types, &kernel) {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(error @ MinimizeError::Difference(_)) => Err(Error::new(ErrorKind::Internal, error)),
        Err(error) => Err(Error::new(ErrorKind::Btf, error)),
    }
}

/// Gathers the kernels' results: distinct blobs, entries, report.
fn collect(
    objects: &[Object],
    roots: &Roots,
    results: Vec<Result<Minimized, Error>>,
    on_failure: OnFailure,
) -> Result<Packed, Error> {
    let mut packed = Packed { objects: objects.iter().map(Object::digest).collect(), ..Packed::default() };
    packed.report.objects =
        objects.iter().zip(roots.places()).map(|(it, places)| object_report(it, places)).collect();
    let mut known: BTreeMap<Arc<[u8]>, usize> = BTreeMap::new();
    // Most kernels share not only the bytes but the allocation.
    let mut numbers: Memo<*const u8, usize> = Memo::default();
    let mut words = Words::default();
    for result in results {
        let minimized = result?;
        packed.report.from_cache += usize::from(minimized.known);
        let (problems, guarded) = words.of(objects, roots, &minimized);
        if let (Some(problem), OnFailure::Error) = (problems.first(), on_failure) {
            let error = Error::new(ErrorKind::Relocation, problem.to_string());
            return Err(error.context(format!("kernel {} cannot be served", minimized.id)));
        }
        let dropped = !problems.is_empty() && on_failure == OnFailure::Drop;
        let blob = minimized.bytes.ok().filter(|_| !dropped).map(|bytes| {
            *numbers.entry(bytes.as_ptr()).or_insert_with(|| {
                *known.entry(bytes).or_insert_with_key(|bytes| {
                    packed.blobs.push(bytes.to_vec());
                    packed.blobs.len() - 1
                })
            })
        });
        packed.entries.extend(blob.map(|blob| (minimized.id.clone(), blob)));
        packed.report.kernels.push(KernelReport { id: minimized.id, blob, problems, guarded });
    }
    packed.report.blobs = packed.blobs.len();
    packed.report.blob_bytes = packed.blobs.iter().map(Vec::len).sum();
    if packed.entries.is_empty() {
        let reasons: Vec<String> =
            packed.report.problems().into_iter().take(3).map(|(problem, _)| problem.to_string()).collect();
        let error = Error::new(ErrorKind::Relocation, reasons.join("; "));
        return Err(error.context(format!("none of {} kernels can be served", packed.report.kernels.len())));
    }
    Ok(packed)
}

fn object_report(object: &Object, places: &[Place]) -> ObjectReport {
    let failures = object.relocations().iter().zip(places).filter_map(|(relocation, place)| match place {
        Place::Failure(failure) => {
            let line = relocation.line.as_ref().map_or_else(String::new, |line| format!(" at {line}"));
            let program = object.place_of(relocation);
            Some(format!("{program}: relocation #{}{line}: {failure}", relocation.number))
        }
        _ => None,
    });
    let is_id = |relocation: &&crate::object::Relocation| relocation.kind == Ok(RelocationKind::TypeIdTarget);
    ObjectReport {
        name: object.name().to_owned(),
        relocations: object.relocations().len(),
        type_ids: object.relocations().iter().filter(is_id).count(),
        failures: failures.collect(),
        needs_kernel_btf: object
            .kernel_btf_needs()
            .iter()
            .map(|it| format!("{} {}", it.what, it.name))
            .collect(),
    }
}

/// What is amiss with a kernel, and how many instructions a check keeps from being run.
type Told = (Arc<[Arc<Problem>]>, usize);

/// Problems in words, each worked out once however many kernels it befalls.
#[derive(Default)]
struct Words {
    /// By object, relocation and reason.
    problems: Memo<(usize, usize, Arc<str>), Arc<Problem>>,
    /// By the address of what is unresolved, which stands beside to be kept alive.
    kernels: Memo<*const Unresolved, (Arc<[Unresolved]>, Told)>,
}

impl Words {
    fn of(&mut self, objects: &[Object], roots: &Roots, minimized: &Minimized) -> Told {
        if let Err(reason) = &minimized.bytes {
            return ([Arc::new(Problem::Unreadable { reason: reason.clone() })].into(), 0);
        }
        let unresolved = &minimized.unresolved;
        let tell = || {
            let (reached, guarded): (Vec<_>, Vec<_>) = unresolved.iter().partition(|it| it.reached);
            let problem = |unresolved: &&Unresolved| {
                let key = (unresolved.object, unresolved.relocation, Arc::clone(&unresolved.reason));
                let known = self.problems.entry(key);
                Arc::clone(known.or_insert_with(|| Arc::new(problem(objects, roots, unresolved))))
            };
            (Arc::clone(unresolved), (reached.iter().map(problem).collect(), guarded.len()))
        };
        let (_, told) = self.kernels.entry(unresolved.as_ptr()).or_insert_with(tell);
        told.clone()
    }
}

fn problem(objects: &[Object], roots: &Roots, unresolved: &Unresolved) -> Problem {
    let object = &objects[unresolved.object];
    let relocation = &object.relocations()[unresolved.relocation];
    let spec = match roots.places()[unresolved.object][unresolved.relocation] {
        Place::Root { root, question, .. } => {
            let spec = &roots.roots()[root].questions[question].spec;
            format!("<{}> {}", spec.kind, describe_spec(roots.types(), spec))
        }
        Place::Local | Place::Failure(_) => String::new(),
    };
    Problem::Relocation {
        object: object.name().to_owned(),
        program: object.place_of(relocation),
        place: format!("{} #{}", relocation.section, relocation.number),
        spec,
        line: relocation.line.as_ref().map(ToString::to_string),
        text: relocation.line.as_ref().map(|line| line.text.to_string()),
        reason: unresolved.reason.to_string(),
    }
}
