//! Whether minimized BTFs are valid, judged by the running kernel.

use std::sync::LazyLock;

use btfgen_core::btf::Btf;
use oracle::{kernel, prepare};

/// Length of a BTF's header, in bytes.
const HEADER_LEN: usize = 24;

/// Lets the kernel judge whether a minimized BTF is valid. It takes all pointers for its own size, so BTFs of kernels with
/// other pointers are skipped: a struct of two of them has members beyond its end.
pub(crate) fn check_valid(minimized: &[u8], name: &str) {
    static MAY_LOAD: LazyLock<bool> = LazyLock::new(|| {
        let may_load = prepare::may_load_programs();
        if !may_load {
            eprintln!("minimized BTFs are not loaded: this process may not use bpf(2)");
        }
        may_load
    });
    // The kernel refuses a BTF without types; of an object without relocations nothing is kept.
    let is_empty = minimized.len() == HEADER_LEN + 1;
    let has_other_pointers = Btf::parse(minimized)
        .is_ok_and(|btf| usize::from(btf.data_model().pointer_size) != size_of::<*const u8>());
    if *MAY_LOAD && !is_empty && !has_other_pointers {
        kernel::load_btf(minimized).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
