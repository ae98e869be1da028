//! A folder on disk in the hub's layout, `<folder>/<distro>/<version>/<arch>/<release>.btf`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::build_id::BuildIdPrefix;
use crate::catalog::Catalog;
use crate::kernel_id::KernelId;

/// A folder of BTF files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Folder<'a> {
    pub(crate) root: &'a Path,
}

impl Folder<'_> {
    /// The file of a kernel.
    pub(crate) fn path(&self, kernel: &KernelId) -> PathBuf {
        self.root.join(format!("{kernel}.btf"))
    }
}

impl Catalog for Folder<'_> {
    fn visit(&self, visitor: &mut dyn FnMut(&str, Option<BuildIdPrefix>)) {
        visit_files(self.root, "", 3, &mut |id| visitor(id, None));
    }

    fn same(&self, a: &KernelId, b: &KernelId) -> bool {
        let read = |kernel| fs::read(self.path(kernel)).ok();
        a == b || read(a).is_some_and(|bytes| Some(bytes) == read(b))
    }
}

/// Visits the `.btf` files that are `depth` folders below `folder`; unreadable folders are skipped.
fn visit_files(folder: &Path, id_prefix: &str, depth: usize, visitor: &mut dyn FnMut(&str)) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if depth > 0 {
            visit_files(&entry.path(), &format!("{id_prefix}{name}/"), depth - 1, visitor);
        } else if let Some(release) = name.strip_suffix(".btf") {
            visitor(&format!("{id_prefix}{release}"));
        }
    }
}
