//! Catalog: a set of kernels with their BTFs, such as an archive, a folder on disk or an embedded folder tree.

#[cfg(feature = "include-dir")]
pub(crate) mod tree;

use crate::archive::Archive;
use crate::kernel_id::KernelId;

/// A set of kernels from which [`crate::select()`] selects.
pub trait Catalog {
    /// Visits every kernel id, in any order.
    fn visit(&self, visitor: &mut dyn FnMut(&str));

    /// Whether two kernels have identical BTFs; `false` also if that is unknown.
    fn same(&self, a: &KernelId, b: &KernelId) -> bool;
}

impl Catalog for Archive<'_> {
    fn visit(&self, visitor: &mut dyn FnMut(&str)) {
        self.ids().for_each(visitor);
    }

    fn same(&self, a: &KernelId, b: &KernelId) -> bool {
        let blob = self.blob_of(a);
        blob.is_some() && blob == self.blob_of(b)
    }
}
