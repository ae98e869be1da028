//! The kernels to test with.

use std::path::Path;

use btfgen_core::files;

/// A kernel's id and its raw BTF.
pub(crate) struct Kernel {
    pub(crate) id: String,
    pub(crate) btf: files::Bytes,
}

/// Kernels of the hub next to the repository if there is one, else the committed ones.
pub(crate) fn kernels() -> Vec<Kernel> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let hubs = [root.join("../shared/hub"), root.join("testdata/kernels")];
    let hub = hubs.iter().find(|hub| hub.is_dir()).expect("the test suites' kernels are committed");
    let listing = files::list(hub).expect("the hub can be listed");
    let kernels: Vec<Kernel> = listing
        .kernels
        .into_iter()
        .map(|entry| Kernel {
            id: entry.id.to_string(),
            btf: files::read_btf(&entry.path).expect("the kernel's BTF can be read"),
        })
        .collect();
    assert!(kernels.len() >= 3, "only {} kernels", kernels.len());
    kernels
}
