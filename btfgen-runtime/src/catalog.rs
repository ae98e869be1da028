//! Catalog: anything that holds BTFs by kernel id: the archive, a folder on disk, an embedded folder tree.

use std::fs;
use std::path::{Path, PathBuf};

use crate::text::join;
use crate::{Archive, KernelId};

/// A set of kernels among which [`crate::select`] chooses.
pub trait Catalog {
    /// Visits every kernel id, in any order.
    fn visit(&self, visitor: &mut dyn FnMut(&str));

    /// Visits every kernel id of a release, and others if that is simpler.
    fn visit_release(&self, release: &str, visitor: &mut dyn FnMut(&str)) {
        let _ = release;
        self.visit(visitor);
    }

    /// Whether two kernels have the same BTF; `false` also when that cannot be told.
    fn same(&self, a: &KernelId, b: &KernelId) -> bool;
}

impl Catalog for Archive<'_> {
    fn visit(&self, visitor: &mut dyn FnMut(&str)) {
        self.visit_ending("", &mut |id, _| visitor(id));
    }

    fn visit_release(&self, release: &str, visitor: &mut dyn FnMut(&str)) {
        self.visit_ending(&join(&["/", release]), &mut |id, _| visitor(id));
    }

    fn same(&self, a: &KernelId, b: &KernelId) -> bool {
        let blob = self.blob_of(a);
        blob.is_some() && blob == self.blob_of(b)
    }
}

/// A folder on disk in the hub's layout, `<folder>/<distro>/<version>/<arch>/<release>.btf`.
#[derive(Debug, Clone)]
pub(crate) struct Folder<'a> {
    pub(crate) root: &'a Path,
}

impl Folder<'_> {
    pub(crate) fn path(&self, kernel: &KernelId) -> PathBuf {
        let mut path = self.root.join(kernel.as_str()).into_os_string();
        path.push(".btf");
        PathBuf::from(path)
    }
}

impl Catalog for Folder<'_> {
    fn visit(&self, visitor: &mut dyn FnMut(&str)) {
        visit_folder(self.root, &mut String::new(), 3, visitor);
    }

    fn same(&self, a: &KernelId, b: &KernelId) -> bool {
        let read = |kernel| fs::read(self.path(kernel)).ok();
        a == b || read(a).is_some_and(|bytes| Some(bytes) == read(b))
    }
}

/// Visits the `.btf` files that lie `depth` folders below; folders that cannot be read hold none.
fn visit_folder(folder: &Path, id: &mut String, depth: usize, visitor: &mut dyn FnMut(&str)) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let kept = id.len();
        if depth > 0 {
            id.push_str(name);
            id.push('/');
            visit_folder(&entry.path(), id, depth - 1, visitor);
        } else if let Some(release) = name.strip_suffix(".btf") {
            id.push_str(release);
            visitor(id);
        }
        id.truncate(kept);
    }
}

/// A folder tree in the hub's layout that `include_dir!` embedded.
#[cfg(feature = "include-dir")]
pub(crate) struct Tree<'a> {
    pub(crate) dir: &'a include_dir::Dir<'a>,
}

#[cfg(feature = "include-dir")]
impl<'a> Tree<'a> {
    pub(crate) fn get(&self, kernel: &KernelId) -> Option<&'a [u8]> {
        let mut found = None;
        visit_tree(self.dir, 3, &mut |id, bytes| {
            if id == kernel.as_str() {
                found = Some(bytes);
            }
        });
        found
    }
}

#[cfg(feature = "include-dir")]
impl Catalog for Tree<'_> {
    fn visit(&self, visitor: &mut dyn FnMut(&str)) {
        visit_tree(self.dir, 3, &mut |id, _| visitor(id));
    }

    fn same(&self, a: &KernelId, b: &KernelId) -> bool {
        let bytes = self.get(a);
        bytes.is_some() && bytes == self.get(b)
    }
}

#[cfg(feature = "include-dir")]
fn visit_tree<'a>(dir: &'a include_dir::Dir<'a>, depth: usize, visitor: &mut dyn FnMut(&str, &'a [u8])) {
    for below in dir.dirs().filter(|_| depth > 0) {
        visit_tree(below, depth - 1, visitor);
    }
    for file in dir.files().filter(|_| depth == 0) {
        // Paths are relative to the embedded folder, which is the kernel id with the file's ending.
        if let Some(id) = file.path().to_str().and_then(|path| path.strip_suffix(".btf")) {
            visitor(id, file.contents());
        }
    }
}
