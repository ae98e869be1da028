//! Hub: merges the collected tree into a hub file, and compares its size with BTFHub's files.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::tree::{self, JOBS};
use crate::engine::{HubBuilder, HubFile, KernelFilter, KernelId, read_btf};
use crate::shell::Outcome;
use crate::{files, parallel};

/// Compression level of the hub file.
const LEVEL: i32 = 19;
/// Number of kernels whose size as `.btf.tar.xz` is measured.
const SAMPLE: usize = 24;

/// Merges the kernels of the tree that the filter keeps into a hub file.
pub(super) fn pack(tree: &Path, filter: &KernelFilter, hub: &Path) -> Outcome {
    let all = tree::kernels(tree)?;
    let kernels: Vec<&KernelId> = filter.select(&all)?.kept.into_iter().map(|index| &all[index]).collect();
    let mut builder = HubBuilder::new();
    for id in &kernels {
        let file = tree::hub_file(tree, id);
        let added = HubFile::open(fs::read(&file)?).and_then(|kernel| builder.add_hub(&kernel));
        added.map_err(|error| format!("{}: {error}", file.display()))?;
    }
    let bytes = builder.finish(LEVEL)?;
    files::write(hub, &bytes)?;
    let (raw, packed) = btfhub_bytes(tree, &kernels)?;
    eprintln!("{}: {} kernels, {} bytes", hub.display(), builder.len(), bytes.len());
    eprintln!(
        "{:.0} MB as .btf.tar.xz, by a sample of {}: {:.0} times as much ({:.0} MB raw)",
        packed / 1e6,
        SAMPLE.min(kernels.len()),
        packed / bytes.len() as f64,
        raw / 1e6,
    );
    Ok(())
}

/// Bytes of the kernels as raw BTFs and as BTFHub's `.btf.tar.xz`, both extrapolated from a sample.
fn btfhub_bytes(tree: &Path, kernels: &[&KernelId]) -> Outcome<(f64, f64)> {
    let step = kernels.len().div_ceil(SAMPLE).max(1);
    let sample: Vec<&KernelId> = kernels.iter().step_by(step).copied().collect();
    let lens = parallel::map(JOBS, &sample, |id| -> Outcome<(usize, usize)> {
        let btf = read_btf(&tree::btf_file(tree, id))?;
        Ok((btf.len(), tar_xz(id, &btf)?.len()))
    })?;
    let lens = lens.into_iter().collect::<Outcome<Vec<_>>>()?;
    let scale = kernels.len() as f64 / sample.len().max(1) as f64;
    let raw: usize = lens.iter().map(|(raw, _)| raw).sum();
    let packed: usize = lens.iter().map(|(_, packed)| packed).sum();
    Ok((raw as f64 * scale, packed as f64 * scale))
}

/// One BTF as BTFHub publishes it: `tar cJf`.
fn tar_xz(id: &KernelId, btf: &[u8]) -> Outcome<Vec<u8>> {
    let mut builder = tar::Builder::new(liblzma::write::XzEncoder::new(Vec::new(), 6));
    let mut header = tar::Header::new_gnu();
    header.set_size(btf.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, format!("{}.btf", id.release()), btf)?;
    let mut xz = builder.into_inner()?;
    xz.flush()?;
    Ok(xz.finish()?)
}
