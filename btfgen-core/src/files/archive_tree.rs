//! Archive tree: the folder form of an archive, `<dir>/<kernel id>.btf`, for `include_dir!` and container images.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use btfgen_runtime::KernelId;

/// Why a folder tree cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] super::FileError),
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
/// When a file cannot be written or removed.
pub fn write_tree<'b>(
    dir: &Path,
    kernels: impl IntoIterator<Item = (&'b KernelId, &'b [u8])>,
) -> Result<usize, TreeError> {
    let mut wanted = Vec::new();
    let mut changed = 0;
    for (kernel, btf) in kernels {
        let path = dir.join(format!("{kernel}.btf"));
        changed += usize::from(super::write_if_changed(&path, btf)?);
        wanted.push(path);
    }
    wanted.sort();
    Ok(changed + remove_others(dir, &wanted, 4)?)
}

/// Removes, at kernel depth, `.btf` files not in `wanted` and leftover temporary files, then folders that became empty.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::testing::TempDir;

    #[test]
    fn writes_what_changed_and_removes_what_is_gone() {
        let id = |text: &str| text.parse::<KernelId>().unwrap();
        let kernels = [
            (id("debian/12/x86_64/6.1.0-9-amd64"), b"one"),
            (id("debian/12/x86_64/6.1.0-10-amd64"), b"two"),
            (id("ubuntu/20.04/x86_64/5.4.0-84-generic"), b"one"),
        ];
        let dir = TempDir::new();
        let write = |kernels: &[(KernelId, &[u8; 3])]| {
            write_tree(dir.path(), kernels.iter().map(|(id, btf)| (id, btf.as_slice()))).unwrap()
        };
        assert_eq!(write(&kernels), 3);
        assert_eq!(write(&kernels), 0);
        let file = dir.path().join("debian/12/x86_64/6.1.0-9-amd64.btf");
        assert_eq!(fs::read(&file).unwrap(), b"one");
        dir.file("notes.txt", "kept");
        dir.file("debian/12/x86_64/.interrupted.tmp", "half");
        assert_eq!(write(&kernels[..1]), 3);
        assert!(
            file.exists() && !dir.path().join("ubuntu").exists() && dir.path().join("notes.txt").exists()
        );
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }
}
