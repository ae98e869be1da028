//! The next build: what of the last one's knowledge holds still, and what there is to know for the one after.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use btfgen_runtime::KernelId;

use super::collect::Collected;
use super::worker::{Minimized, Worker};
use super::{HubResults, Job, decode, parse_object, roots_of};
use crate::btf::Endian;
use crate::cache::{self, Encoded, Finding, Known, Listing};
use crate::fs;
use crate::hub::{HubError, KernelFilter};
use crate::memo::Memo;
use crate::object::Object;
use crate::report::sections;
use crate::threads::{beside, on_all_cores};
use crate::{Error, OnFailure};

/// What the last build knew, and of which sections it does not hold.
#[derive(Clone, Copy)]
pub(super) struct Last<'a> {
    pub(super) known: &'a Known,
    /// For each section of the objects whether its code is another now.
    pub(super) changed: &'a [bool],
}

impl Last<'_> {
    pub(super) fn any_changed(self) -> bool {
        self.changed.contains(&true)
    }
}

/// An object's file.
pub(crate) struct ObjectFile {
    pub(crate) path: PathBuf,
    pub(crate) hash: u64,
    bytes: Vec<u8>,
}

impl ObjectFile {
    /// Parses it.
    pub(crate) fn object(&self) -> Result<Object, Error> {
        parse_object(&self.path, &self.bytes)
    }
}

/// Reads objects' files.
pub(crate) fn read_files(paths: &[PathBuf]) -> Result<Vec<ObjectFile>, Error> {
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let bytes = fs::read(path)?;
        files.push(ObjectFile { path: path.clone(), hash: cache::hash_file(&bytes), bytes });
    }
    Ok(files)
}

/// A hub, as far as it is read before it is known whether anything is asked of it.
pub(crate) enum Hub {
    /// A hub tree.
    Tree,
    /// A hub file: its bytes, and their hash.
    File(Vec<u8>, u64),
}

impl Hub {
    /// Reads a hub file.
    pub(crate) fn read(path: &Path) -> Result<Self, HubError> {
        if !path.is_file() {
            return Ok(Self::Tree);
        }
        let bytes = fs::read(path)?;
        let hash = cache::hash_file(&bytes);
        Ok(Self::File(bytes, hash))
    }

    /// Hash of a hub file and of which of its kernels are wanted.
    pub(crate) fn hash(&self, filter: &KernelFilter) -> Option<u64> {
        match self {
            Self::Tree => None,
            Self::File(_, bytes) => Some(cache::hash_hub(*bytes, filter)),
        }
    }
}

/// As [`super::pack`], with what the last build knew; returned is what there is to know for the next one too.
///
/// # Errors
/// As [`super::pack`].
pub(crate) fn pack_knowing(
    objects: &[Object],
    (path, hub): (&Path, &Hub),
    filter: &KernelFilter,
    on_failure: OnFailure,
    known: &Known,
) -> Result<(Collected, Encoded), Error> {
    let sections = sections(objects);
    let hash = || sections.iter().map(|section| section.hash(objects)).collect::<Vec<u64>>();
    let (roots, hashes) = beside(|| roots_of(objects), hash);
    let roots = roots?;
    let names = objects.iter().map(|object| (object.name().to_owned(), object.endian() == Endian::Big));
    let context = cache::context(&roots, names, path);
    let nothing = Known::default();
    let known = if known.context == context { known } else { &nothing };
    let mut changed = vec![true; hashes.len()];
    if known.sections.len() == hashes.len() {
        for ((changed, now), before) in changed.iter_mut().zip(&hashes).zip(&known.sections) {
            *changed = now != before;
        }
    }
    let last = Some(Last { known, changed: &changed });
    let job = Job { last, ..Job::new(objects, &roots, &sections, path, filter) };
    let read = match hub {
        Hub::Tree => job.hub_tree()?,
        Hub::File(bytes, hash) => {
            let hash = cache::hash_hub(*hash, filter);
            match job.remembered(hash) {
                Some(results) => results,
                None => job.hub_file(&decode(path, bytes.clone())?, Some(hash))?,
            }
        }
    };
    let learned = Known { context, sections: hashes, ..read.learned() };
    let (collected, learned) =
        beside(|| read.collected(objects, &roots, on_failure), || cache::encode(&learned));
    Ok((collected?, learned))
}

impl Job<'_> {
    /// The kernels of a hub file that is the last build's, if each is known.
    fn remembered(&self, hub: u64) -> Option<HubResults> {
        let Known { listing, findings, .. } = self.last?.known;
        let listing = listing.as_ref().filter(|listing| listing.hub == hub)?;
        let mut places: Memo<u64, usize> = Memo::default();
        let mut first: Vec<(u64, &KernelId, &Finding)> = Vec::new();
        for (id, key) in &listing.kernels {
            if !places.contains_key(key) {
                places.insert(*key, first.len());
                first.push((*key, id, findings.get(key)?));
            }
        }
        // Those that share their verdicts in a row, so that one thread meets them.
        let mut order: Vec<usize> = (0..first.len()).collect();
        order.sort_by_key(|&at| first[at].2.verdicts.as_ptr());
        let task = |worker: &mut Worker<'_, '_>, at: usize| {
            let (key, id, _) = first[order[at]];
            (order[at], worker.recall(id, Some(key)))
        };
        let mut recalled = on_all_cores(first.len(), || self.worker(self.roots.types()), task);
        recalled.sort_unstable_by_key(|(at, _)| *at);
        let result = |(id, key): &(KernelId, u64)| {
            let (_, recalled) = &recalled[*places.get(key)?];
            Some(Ok(Minimized { id: id.clone(), ..recalled.clone()? }))
        };
        let results = listing.kernels.iter().map(result).collect::<Option<_>>()?;
        Some(HubResults { results, idle: listing.idle.clone(), notes: Vec::new(), hub: Some(hub) })
    }
}

impl HubResults {
    /// What there is to know for the next build of the kernels.
    fn learned(&self) -> Known {
        let mut learned = Known::default();
        let mut kernels = Vec::with_capacity(self.results.len());
        for minimized in self.results.iter().flatten() {
            let Some(key) = minimized.key else { continue };
            kernels.push((minimized.id.clone(), key));
            learned.findings.entry(key).or_insert_with(|| Finding {
                bytes: minimized.bytes.clone(),
                verdicts: Arc::clone(&minimized.verdicts),
                unresolved: Arc::clone(&minimized.unresolved),
            });
        }
        let whole = self.hub.filter(|_| kernels.len() == self.results.len());
        learned.listing = whole.map(|hub| Listing { hub, kernels, idle: self.idle.clone() });
        learned
    }
}
