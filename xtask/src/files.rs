//! Files: folders of hub trees and of scratch data.

use std::env::consts::ARCH;
use std::fs;
use std::path::Path;

use crate::shell::Outcome;

/// Makes a folder, without what an earlier run left in it.
pub(crate) fn empty_folder(path: &Path) -> Outcome {
    if path.exists() {
        fs::remove_dir_all(path)?;
    }
    Ok(fs::create_dir_all(path)?)
}

/// The hub's name of the architecture that this program is built for.
pub(crate) fn hub_arch() -> &'static str {
    match ARCH {
        "aarch64" => "arm64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        arch => arch,
    }
}
