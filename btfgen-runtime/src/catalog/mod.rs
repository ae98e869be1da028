//! Catalog: a set of kernels with their BTFs, such as an archive, a folder on disk or an embedded folder tree.

#[cfg(feature = "include-dir")]
pub(crate) mod tree;

use crate::archive::Archive;
use crate::build_id::BuildIdPrefix;
use crate::kernel_id::KernelId;

/// A set of kernels from which [`select`](crate::select()) selects; an [`Archive`] is one.
///
/// ```
/// use btfgen_runtime::{BuildIdPrefix, Catalog, Host, KernelId, RefusalKind, select};
///
/// /// Kernels that a service has BTF of, with the SHA-256 of each.
/// struct Stock(Vec<(KernelId, [u8; 32])>);
///
/// impl Catalog for Stock {
///     fn visit(&self, visitor: &mut dyn FnMut(&str, Option<BuildIdPrefix>)) {
///         self.0.iter().for_each(|(kernel, _)| visitor(kernel.as_str(), None));
///     }
///
///     fn same(&self, a: &KernelId, b: &KernelId) -> bool {
///         let hash = |id| self.0.iter().find(|(kernel, _)| kernel == id).map(|(_, hash)| hash);
///         hash(a).is_some() && hash(a) == hash(b)
///     }
/// }
///
/// let refusal = select(&Host::default(), &Stock(Vec::new()), false).unwrap_err();
/// assert_eq!(refusal.kind, RefusalKind::NoSuchRelease);
/// ```
pub trait Catalog {
    /// Visits every kernel id, in any order, with the kernel's build id if the catalog has it.
    ///
    /// A custom kernel is identified only by its build id; without one it is never selected.
    fn visit(&self, visitor: &mut dyn FnMut(&str, Option<BuildIdPrefix>));

    /// Whether two kernels have identical BTFs; `false` also if that is unknown.
    fn same(&self, a: &KernelId, b: &KernelId) -> bool;
}

impl Catalog for Archive<'_> {
    fn visit(&self, visitor: &mut dyn FnMut(&str, Option<BuildIdPrefix>)) {
        self.entries().for_each(|(id, build_id)| visitor(id, build_id));
    }

    fn same(&self, a: &KernelId, b: &KernelId) -> bool {
        let blob = self.blob_of(a);
        blob.is_some() && blob == self.blob_of(b)
    }
}
