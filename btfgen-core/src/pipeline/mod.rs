//! The pipeline: from objects and a hub to minimized BTFs, an archive and a report. The entry point of the engine.
//!
//! [`run`] loads the objects and the hub, minimizes and diagnoses each wanted kernel on all cores, and collects the results.
//! Nothing here reads the environment or a configuration.

mod collect;
mod error;
mod hub;
mod worker;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use btfgen_runtime::KernelId;

use crate::diagnose::{Findings, Layout};
use crate::files;
use crate::forecast::{Assumptions, Forecast, Inputs, KernelState, forecast};
use crate::hub::KernelFilter;
use crate::object::Object;
use crate::resolve::Roots;
use crate::threads::{join, on_all_cores};
use collect::collect;
use error::KernelError;
use hub::Hub;
use worker::{Minimized, Worker};

pub use collect::{BuildIds, OnFailure, Packed};
pub use error::{ByteOrderError, Error};
pub use worker::minimize;

/// The inputs of a run.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The objects' files.
    pub objects: Vec<PathBuf>,
    /// A hub file, or a hub tree's folder.
    pub hub: PathBuf,
    /// Selects the wanted kernels of the hub.
    pub filter: KernelFilter,
    /// What to do with kernels that fail a relocation.
    pub on_failure: OnFailure,
    /// For which kernels the archive has the build id.
    pub build_ids: BuildIds,
    /// What the forecast assumes; without this the report has no forecast.
    pub forecast: Option<Assumptions>,
}

/// Minimizes the wanted kernels of a hub for a set of objects.
///
/// `progress` is called from several threads, with the number of kernels that are done and the number of all kernels.
///
/// # Errors
/// When an object or the hub cannot be read, an assumption names no program, no kernel is selected or can be served, or a
/// relocation resolves differently with a minimized BTF.
pub fn run(request: &Request, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Packed, Error> {
    // Load.
    let (objects, hub) =
        join(|| read_objects(&request.objects), || Hub::open(&request.hub, request.forecast.is_some()));
    let (objects, hub) = (objects?, hub?);
    let roots = Roots::new(&objects).map_err(Error::Relocations)?;
    let layout = Layout::new(&objects, &roots);
    let kernels = hub.select(&request.hub, &request.filter, &roots)?;

    // Minimize and diagnose.
    let findings = Findings::new(&layout);
    let worker = || Worker::new(&objects, &roots, &layout, &findings, kernels.types.clone());
    let mut sharing = vec![0; kernels.sources.len()];
    kernels.source_of.iter().for_each(|&source| sharing[source] += 1);
    let done = AtomicUsize::new(0);
    let minimize = |worker: &mut Worker<'_>, source: usize| {
        let minimized = worker.minimize(&kernels.sources[source]);
        let more = sharing[source];
        progress(done.fetch_add(more, Ordering::Relaxed) + more, kernels.kernels.len());
        minimized
    };
    let minimized = on_all_cores(kernels.sources.len(), worker, minimize);

    // Collect.
    let unpacked_kernels = kernels.sources.iter().filter(|source| source.is_packed()).count();
    let diagnosis = findings.finish();
    let results: Vec<_> =
        kernels.kernels.into_iter().zip(kernels.source_of.iter().map(|&source| &minimized[source])).collect();

    // Forecast.
    let forecast = match &request.forecast {
        None => Forecast::default(),
        Some(assumptions) => {
            let state = |result: &Result<Minimized, KernelError>| match result {
                Ok(minimized) => KernelState::Diagnosed(minimized.findings),
                Err(error) => KernelState::Unusable(error.chain()),
            };
            let kernels: Vec<KernelId> = results.iter().map(|(kernel, _)| kernel.id.clone()).collect();
            let hub = hub.into_file(&request.hub, &kernels)?;
            let states = results.iter().map(|(_, result)| state(result));
            forecast(&Inputs {
                objects: &objects,
                roots: &roots,
                hub: &hub,
                kernels: kernels.into_iter().zip(states).collect(),
                layout: &layout,
                diagnosis: &diagnosis,
                assumptions,
            })?
        }
    };

    let mut packed = collect(&objects, &roots, results, &diagnosis, request.on_failure, request.build_ids)?;
    packed.report.forecast = forecast;
    packed.report.unused_excludes = kernels.unused_excludes;
    packed.report.hub_notes = kernels.notes;
    packed.report.unpacked_kernels = unpacked_kernels;
    Ok(packed)
}

/// Reads and parses objects.
///
/// # Errors
/// When a file cannot be read or is not an eBPF object; the error names it.
pub fn read_objects(paths: &[PathBuf]) -> Result<Vec<Object>, Error> {
    let read = |path: &PathBuf| {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        Object::parse(&name, &files::read(path)?)
            .map_err(|source| Error::Object { file: path.clone(), source })
    };
    paths.iter().map(read).collect()
}
