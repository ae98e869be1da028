//! Tree: the files of the collected hub tree.
//!
//! Of each kernel it has the raw BTF, as any hub tree, and a hub file, which has the kernel's facts too.

use std::path::{Path, PathBuf};

use crate::engine::{HubBuilder, Kernel, KernelId, list};
use crate::files;
use crate::shell::Outcome;

/// Packages read at once: one is downloaded while another's kernel is unpacked.
pub(super) const JOBS: usize = 2;
/// Compression level of the files.
const LEVEL: i32 = 9;

/// The raw BTF of a kernel.
pub(super) fn btf_file(tree: &Path, id: &KernelId) -> PathBuf {
    tree.join(format!("{id}.btf.zst"))
}

/// The hub file of a kernel, written last: a kernel that has one is complete.
pub(super) fn hub_file(tree: &Path, id: &KernelId) -> PathBuf {
    tree.join(format!("{id}.hub"))
}

/// Writes the files of a kernel.
pub(super) fn add(tree: &Path, kernel: &Kernel) -> Outcome {
    let mut hub = HubBuilder::new();
    kernel.add_to(&mut hub)?;
    files::write(&btf_file(tree, &kernel.id), &zstd::bulk::compress(&kernel.btf, LEVEL)?)?;
    files::write(&hub_file(tree, &kernel.id), &hub.finish(LEVEL)?)
}

/// The kernels of the tree that are complete, sorted by id.
pub(super) fn kernels(tree: &Path) -> Outcome<Vec<KernelId>> {
    let ids = list(tree)?.kernels.into_iter().map(|entry| entry.id);
    Ok(ids.filter(|id| hub_file(tree, id).exists()).collect())
}
