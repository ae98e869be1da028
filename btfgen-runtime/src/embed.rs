//! The archive that is linked into the program.

/// Embeds the archive that `btfgen_build::generate()` wrote to `OUT_DIR`.
///
/// Use it once in a program, as an item or a statement. Without it, a program that calls
/// [`btf_for_host`](crate::btf_for_host) fails to link: the symbol `BTFGEN_EMBED_IS_MISSING` is undefined.
#[macro_export]
macro_rules! embed {
    () => {
        const _: () = {
            #[unsafe(no_mangle)]
            static BTFGEN_EMBED_IS_MISSING: &[u8] =
                include_bytes!(concat!(env!("OUT_DIR"), "/btfgen.archive"));
        };
    };
}

/// The archive that [`embed!`] embedded.
#[inline]
pub fn embedded_archive() -> &'static [u8] {
    // This function is inline so that only programs that call it refer to the symbol.
    unsafe extern "Rust" {
        static BTFGEN_EMBED_IS_MISSING: &'static [u8];
    }
    // SAFETY: `embed!` defines the symbol as an immutable static of this type; no definition, or two, fail to link.
    unsafe { BTFGEN_EMBED_IS_MISSING }
}
