//! Hub: the collected tree as one hub file, and how much smaller that is than what BTFHub publishes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use btfgen::import::collect::{Collector, Fate};
use btfgen::import::source::{Offer, Wanted};
use btfgen_core::KernelId;
use btfgen_core::hub::file::HubBuilder;
use btfgen_core::{files::read_btf, hub::KernelFilter};

use super::{JOBS, Outcome, file};

/// Compression level of the hub file.
const LEVEL: i32 = 19;
/// Of how many kernels the size as `.btf.tar.xz` is measured.
const SAMPLE: usize = 24;

/// Packs the kernels of the tree, each with the name of the package that it is from, into a hub file.
pub(super) fn pack(
    tree: &Path,
    packages: &BTreeMap<KernelId, String>,
    filter: &KernelFilter,
    hub: &Path,
) -> Outcome {
    let kernels: Vec<&KernelId> = packages.keys().filter(|id| file(tree, id).exists()).collect();
    let kept = filter.select(kernels.iter().copied())?.kept;
    let kernels: Vec<&KernelId> = kept.into_iter().filter_map(|at| kernels.get(at).copied()).collect();
    let offers: Vec<Offer> =
        kernels.iter().map(|id| Offer::btf((*id).clone(), file(tree, id), &packages[*id])).collect();
    let bad = Mutex::new(Vec::new());
    let collector = Collector {
        wanted: Wanted { kernel: &|_| true, modules: false },
        threads: JOBS,
        done: &|offer, fate| {
            if let (Fate::Bad(error), Ok(mut bad)) = (fate, bad.lock()) {
                bad.push(format!("{}: {error}", offer.label));
            }
        },
    };
    let mut builder = HubBuilder::new();
    collector.collect(&mut builder, &offers)?;
    if let Some(first) = bad.into_inner().ok().and_then(|bad| bad.into_iter().next()) {
        return Err(first.into());
    }
    let bytes = builder.finish(LEVEL)?;
    super::write(hub, &bytes)?;
    let (raw, packed) = published(tree, &kernels)?;
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

/// Bytes of the kernels as raw BTFs and as BTFHub's `.btf.tar.xz`, both scaled up from a sample.
fn published(tree: &Path, kernels: &[&KernelId]) -> Outcome<(f64, f64)> {
    let step = kernels.len().div_ceil(SAMPLE).max(1);
    let sample: Vec<&KernelId> = kernels.iter().step_by(step).copied().collect();
    let next = AtomicUsize::new(0);
    let sum = Mutex::new((0, 0));
    thread::scope(|scope| -> Outcome {
        let work = || -> Outcome {
            while let Some(id) = sample.get(next.fetch_add(1, Ordering::Relaxed)) {
                let btf = read_btf(&file(tree, id))?;
                let packed = tar_xz(id, &btf)?;
                if let Ok(mut sum) = sum.lock() {
                    *sum = (sum.0 + btf.len(), sum.1 + packed.len());
                }
            }
            Ok(())
        };
        let workers: Vec<_> = (0..JOBS).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| Err("a worker panicked".into())))
    })?;
    let (raw, packed) = sum.into_inner().unwrap_or_default();
    let scale = kernels.len() as f64 / sample.len().max(1) as f64;
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

/// Reads which package each kernel of the tree is from.
pub(super) fn packages(list: &Path) -> Outcome<BTreeMap<KernelId, String>> {
    let text = if list.exists() { fs::read_to_string(list)? } else { String::new() };
    let line = |line: &str| -> Outcome<(KernelId, String)> {
        let (id, package) = line.split_once('\t').ok_or_else(|| format!("{}: {line:?}", list.display()))?;
        Ok((id.parse()?, package.to_owned()))
    };
    text.lines().map(line).collect()
}
