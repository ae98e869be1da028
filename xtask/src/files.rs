//! Files: folders of hub trees and of scratch data.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::shell::{self, Outcome};

/// Makes a folder, without what an earlier run left in it.
pub(crate) fn empty_folder(path: &Path) -> Outcome {
    if path.exists() {
        fs::remove_dir_all(path)?;
    }
    Ok(fs::create_dir_all(path)?)
}

/// Writes a file whole or not at all, and makes its folder.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Outcome {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

/// The hub file that the example commits.
pub(crate) fn example_hub() -> PathBuf {
    shell::root().join("example-app/kernels.hub")
}
