//! Hub: packs the collected tree into a hub file, and compares its size with BTFHub's files.

use std::io::Write;
use std::path::Path;

use super::tree::{self, JOBS};
use crate::engine::{HubBuilder, KernelFilter, KernelId, ReadOptions, SourceKernel, read_btf, read_kernels};
use crate::shell::Outcome;
use crate::{files, parallel};

/// Compression level of the hub file.
const LEVEL: i32 = 19;
/// Number of kernels whose size as `.btf.tar.xz` is measured.
const SAMPLE: usize = 24;

/// Packs the kernels of the tree that the filter keeps, each with the name of its package.
pub(super) fn pack(tree: &Path, filter: &KernelFilter, hub: &Path) -> Outcome {
    let packages = tree::packages(tree)?;
    let all: Vec<&KernelId> = packages.keys().filter(|id| tree::file(tree, id).exists()).collect();
    let kept = filter.select(all.iter().copied())?.kept;
    let kernels: Vec<&KernelId> = kept.into_iter().filter_map(|index| all.get(index).copied()).collect();
    let source = |id: &&KernelId| SourceKernel::btf((*id).clone(), tree::file(tree, id), &packages[*id]);
    let sources: Vec<SourceKernel> = kernels.iter().map(source).collect();
    let options = ReadOptions::default();
    let mut builder = HubBuilder::new();
    read_kernels(&sources, &options, JOBS, |source, kernel| -> Outcome {
        let kernel = kernel.map_err(|error| format!("{}: {error}", source.label))?;
        Ok(kernel.map_or(Ok(()), |kernel| kernel.add_to(&mut builder))?)
    })?;
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
        let btf = read_btf(&tree::file(tree, id))?;
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
