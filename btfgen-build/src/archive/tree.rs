//! Tree: the folder form of an archive, `<dir>/<kernel id>.btf`, for `include_dir!` and container images.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use btfgen_runtime::KernelId;

/// Why a folder tree cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// A kernel refers to a blob that is not there.
    #[error("kernel {kernel} refers to blob {blob} of {blobs}")]
    NoSuchBlob {
        /// The kernel's id.
        kernel: KernelId,
        /// The blob's number.
        blob: usize,
        /// How many blobs there are.
        blobs: usize,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] crate::fs::FsError),
    /// A file or folder of other kernels cannot be removed.
    #[error("{path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Writes each kernel's minimized BTF to `<dir>/<kernel id>.btf` and removes `.btf` files of other kernels.
///
/// Files that already hold the right bytes are not touched; each other one is written under a temporary name and
/// renamed, so that no reader ever sees half of it. Returns how many files were written or removed.
///
/// # Errors
/// When a blob is missing or a file cannot be written.
pub fn write_tree(dir: &Path, entries: &[(KernelId, usize)], blobs: &[Vec<u8>]) -> Result<usize, TreeError> {
    let mut wanted = Vec::with_capacity(entries.len());
    let mut changed = 0;
    for (kernel, number) in entries {
        let blob = blobs.get(*number).ok_or_else(|| TreeError::NoSuchBlob {
            kernel: kernel.clone(),
            blob: *number,
            blobs: blobs.len(),
        })?;
        let path = dir.join(format!("{kernel}.btf"));
        changed += usize::from(crate::fs::write_if_changed(&path, blob)?);
        wanted.push(path);
    }
    wanted.sort();
    Ok(changed + remove_others(dir, &wanted, 4)?)
}

/// Whether a folder holds such minimized BTFs, told by their hashes, for each of these kernels and no others.
pub(crate) fn is_tree_of<'k>(
    dir: &Path,
    kernels: &mut dyn Iterator<Item = (&'k KernelId, &'k u64)>,
) -> Result<bool, TreeError> {
    let mut wanted = Vec::new();
    for (kernel, hash) in kernels {
        let path = dir.join(format!("{kernel}.btf"));
        if !crate::fs::read(&path).is_ok_and(|bytes| crate::cache::hash_bytes(&bytes) == *hash) {
            return Ok(false);
        }
        wanted.push(path);
    }
    wanted.sort();
    remove_others(dir, &wanted, 4)?;
    Ok(true)
}

/// Removes the `.btf` files that are not `wanted`, and what an interrupted write left over, at the depth where kernels lie, and
/// the folders that become empty.
fn remove_others(dir: &Path, wanted: &[PathBuf], depth: usize) -> Result<usize, TreeError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        other => other.map_err(|source| io_error(dir, source))?,
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry.map_err(|source| io_error(dir, source))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(|source| io_error(&path, source))?;
        if depth > 1 && kind.is_dir() {
            let below = remove_others(&path, wanted, depth - 1)?;
            if below > 0 {
                // Fails when something is left in it, which is as it should be.
                let _ = fs::remove_dir(&path);
            }
            removed += below;
        } else if depth == 1 && kind.is_file() && wanted.binary_search(&path).is_err() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(".btf") || (name.starts_with('.') && name.ends_with(".tmp")) {
                fs::remove_file(&path).map_err(|source| io_error(&path, source))?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

fn io_error(path: &Path, source: io::Error) -> TreeError {
    TreeError::Io { path: path.to_owned(), source }
}
