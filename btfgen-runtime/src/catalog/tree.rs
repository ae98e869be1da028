//! A folder tree in the hub's layout that `include_dir!` embedded.

use include_dir::Dir;

use crate::build_id::BuildIdPrefix;
use crate::catalog::Catalog;
use crate::kernel_id::KernelId;

/// An embedded tree of BTF files.
#[derive(Clone, Copy)]
pub(crate) struct Tree<'a> {
    pub(crate) root: &'a Dir<'a>,
}

impl<'a> Tree<'a> {
    /// A kernel's BTF.
    pub(crate) fn get(&self, kernel: &KernelId) -> Option<&'a [u8]> {
        let mut found = None;
        visit_files(self.root, 3, &mut |id, btf| {
            if id == kernel.as_str() {
                found = Some(btf);
            }
        });
        found
    }
}

impl Catalog for Tree<'_> {
    fn visit(&self, visitor: &mut dyn FnMut(&str, Option<BuildIdPrefix>)) {
        visit_files(self.root, 3, &mut |id, _| visitor(id, None));
    }

    fn same(&self, a: &KernelId, b: &KernelId) -> bool {
        let btf = self.get(a);
        btf.is_some() && btf == self.get(b)
    }
}

/// Visits the `.btf` files that are `depth` folders below `dir`.
fn visit_files<'a>(dir: &'a Dir<'a>, depth: usize, visitor: &mut dyn FnMut(&str, &'a [u8])) {
    if depth > 0 {
        for below in dir.dirs() {
            visit_files(below, depth - 1, visitor);
        }
        return;
    }
    for file in dir.files() {
        // Paths are relative to the embedded root: the kernel id and the extension.
        if let Some(id) = file.path().to_str().and_then(|path| path.strip_suffix(".btf")) {
            visitor(id, file.contents());
        }
    }
}
