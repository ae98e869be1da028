//! Files: folders of hub trees and of scratch data.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};

use crate::shell::Outcome;

/// Makes a folder, without what an earlier run left in it.
pub(crate) fn empty_folder(path: &Path) -> Outcome {
    if path.exists() {
        fs::remove_dir_all(path)?;
    }
    Ok(fs::create_dir_all(path)?)
}

/// Every file under a folder, sorted.
pub(crate) fn under(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files.extend(under(&entry.path())?);
        } else {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Copies every file under a folder.
pub(crate) fn copy_all(from: &Path, to: &Path) -> Outcome {
    for file in under(from)? {
        let target = to.join(file.strip_prefix(from)?);
        fs::create_dir_all(target.parent().unwrap_or(to))?;
        fs::copy(file, target)?;
    }
    Ok(())
}

/// The hub's name of the architecture that this program is built for.
pub(crate) fn hub_arch() -> &'static str {
    match ARCH {
        "aarch64" => "arm64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        arch => arch,
    }
}
