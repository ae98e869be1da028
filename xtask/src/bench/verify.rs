//! What verification costs: the share of it in a run from objects and a hub file to an archive, on one thread.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use btfgen_core::archive;
use btfgen_core::hub::file::HubFile;
use btfgen_core::minimize::{Minimizer, Verifier};
use btfgen_core::pipeline::read_objects;
use btfgen_core::resolve::Roots;

use crate::shell::Outcome;

/// Packs, which verifies each minimized BTF, then verifies the same bytes once more; the ratio of the times.
pub(super) fn share(hub: &Path, objects: &[PathBuf]) -> Outcome<f64> {
    let start = Instant::now();
    let objects = read_objects(objects)?;
    let roots = Roots::new(&objects)?;
    let hub = HubFile::open(fs::read(hub)?)?;
    let mut types = roots.types().clone();
    let all: Vec<usize> = (0..hub.kernels().len()).collect();
    let view = hub.view(&mut types, &roots, &all)?;
    let mut minimizer = Minimizer::new(&roots);
    let mut blobs: Vec<Arc<[u8]>> = Vec::new();
    let mut firsts = Vec::new();
    let mut blob_of = Vec::new();
    for kernel in &view.distinct {
        let bytes = minimizer.minimize(&types, kernel)?;
        let known = blobs.iter().position(|other| Arc::ptr_eq(other, &bytes));
        blob_of.push(known.unwrap_or(blobs.len()));
        if known.is_none() {
            blobs.push(bytes);
            firsts.push(kernel);
        }
    }
    let entries: Vec<_> = hub
        .kernels()
        .iter()
        .zip(&view.kernels)
        .map(|(record, &distinct)| (record.id.clone(), blob_of[distinct]))
        .collect();
    let bytes: Vec<Vec<u8>> = blobs.iter().map(|blob| blob.to_vec()).collect();
    archive::write(&entries, &bytes, &[], 19)?;
    let whole = start.elapsed();

    let mut verifier = Verifier::new(&roots);
    let start = Instant::now();
    for (kernel, bytes) in firsts.into_iter().zip(&blobs) {
        verifier
            .verify(minimizer.answers(), &types, kernel, bytes)?
            .map_err(|difference| difference.to_string())?;
    }
    Ok(start.elapsed().as_secs_f64() / whole.as_secs_f64())
}
