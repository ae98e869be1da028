//! The pipeline: from objects and a hub to minimized BTFs, an archive and a report. The entry point of the engine.
//!
//! [`run`] loads the objects and the hub, minimizes and diagnoses each wanted kernel on all cores, and collects the results.
//! [`run_on`] does the same with objects and a hub that are in memory.
//! Nothing here reads the environment or a configuration.

mod collect;
mod error;
mod hub;
mod worker;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use btfgen_runtime::KernelId;

use crate::diagnose::{Findings, Layout};
use crate::files;
use crate::forecast::{Assumptions, Forecast, Inputs, KernelState, forecast};
use crate::hub::KernelFilter;
use crate::object::Object;
use crate::resolve::Roots;
use crate::threads::{cores, join, on_threads};
use collect::collect;
use error::KernelError;
use worker::{Minimized, Worker};

pub use collect::{BuildIds, OnFailure, Packed};
pub use error::{ByteOrderError, Error};
pub use hub::Hub;
pub use worker::minimize;

/// The inputs of a run.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The objects' files, or programs that contain them.
    pub objects: Vec<PathBuf>,
    /// A hub file, or a hub tree's folder.
    pub hub: PathBuf,
    /// What to make of them.
    pub options: Options,
}

/// What a run makes of objects and a hub.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Selects the wanted kernels of the hub.
    pub filter: KernelFilter,
    /// What to do with kernels that fail a relocation.
    pub on_failure: OnFailure,
    /// For which kernels the archive has the build id.
    pub build_ids: BuildIds,
    /// What the forecast assumes; without this the report has no forecast.
    pub forecast: Option<Assumptions>,
    /// The number of threads; without this, one for each core.
    pub threads: Option<NonZeroUsize>,
}

/// Reads objects and a hub, and minimizes the wanted kernels of the hub for the objects.
///
/// `progress` is called from several threads, with the number of kernels that are done and the number of all kernels.
///
/// # Errors
/// When an object or the hub cannot be read, and as [`run_on`].
pub fn run(request: &Request, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Packed, Error> {
    let Request { objects, hub, options } = request;
    let (objects, hub) = join(|| read_objects(objects), || Hub::open(hub, options.forecast.is_some()));
    run_on(&objects?, &hub?, options, progress)
}

/// Minimizes the wanted kernels of a hub for a set of objects; `progress` is as of [`run`].
///
/// # Errors
/// When the objects' relocations are malformed, an assumption names no program, no kernel is selected or can be served, or a
/// relocation resolves differently with a minimized BTF.
pub fn run_on(
    objects: &[Object],
    hub: &Hub,
    options: &Options,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Packed, Error> {
    let roots = Roots::new(objects).map_err(Error::Relocations)?;
    let layout = Layout::new(objects, &roots);
    let kernels = hub.select(&options.filter, &roots)?;

    // Minimize and diagnose.
    let findings = Findings::new(&layout);
    let worker = || Worker::new(objects, &roots, &layout, &findings, kernels.types.clone());
    let mut sharing = vec![0; kernels.sources.len()];
    kernels.source_of.iter().for_each(|&source| sharing[source] += 1);
    let done = AtomicUsize::new(0);
    let minimize = |worker: &mut Worker<'_>, source: usize| {
        let minimized = worker.minimize(&kernels.sources[source]);
        let more = sharing[source];
        progress(done.fetch_add(more, Ordering::Relaxed) + more, kernels.kernels.len());
        minimized
    };
    let threads = options.threads.map_or_else(cores, NonZeroUsize::get);
    let minimized = on_threads(threads, kernels.sources.len(), worker, minimize);

    // Collect.
    let unpacked_kernels = kernels.sources.iter().filter(|source| source.is_packed()).count();
    let diagnosis = findings.finish();
    let results: Vec<_> =
        kernels.kernels.into_iter().zip(kernels.source_of.iter().map(|&source| &minimized[source])).collect();

    // Forecast.
    let forecast = match &options.forecast {
        None => Forecast::default(),
        Some(assumptions) => {
            let state = |result: &Result<Minimized, KernelError>| match result {
                Ok(minimized) => KernelState::Diagnosed(minimized.findings),
                Err(error) => KernelState::Unusable(error.chain()),
            };
            let kernels: Vec<KernelId> = results.iter().map(|(kernel, _)| kernel.id.clone()).collect();
            let of_tree;
            let hub = match hub.file() {
                Some(file) => file,
                None => {
                    of_tree = hub.tree_to_file(&kernels)?;
                    &of_tree
                }
            };
            let states = results.iter().map(|(_, result)| state(result));
            forecast(&Inputs {
                objects,
                roots: &roots,
                hub,
                kernels: kernels.into_iter().zip(states).collect(),
                layout: &layout,
                diagnosis: &diagnosis,
                assumptions,
            })?
        }
    };

    let mut packed = collect(objects, &roots, results, &diagnosis, options.on_failure, options.build_ids)?;
    packed.report.forecast = forecast;
    packed.report.unused_excludes = kernels.unused_excludes;
    packed.report.hub_notes = kernels.notes;
    packed.report.unpacked_kernels = unpacked_kernels;
    Ok(packed)
}

/// Reads and parses objects, also those in programs; see [`Object::parse_file`].
///
/// # Errors
/// When a file cannot be read, or is and contains no eBPF object; the error names it.
pub fn read_objects(paths: &[PathBuf]) -> Result<Vec<Object>, Error> {
    let mut objects = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let parsed = Object::parse_file(&name, &files::read(path)?);
        objects.extend(parsed.map_err(|source| Error::Object { file: path.clone(), source })?);
    }
    Ok(objects)
}
