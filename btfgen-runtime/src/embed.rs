//! The archive that is linked into the program.

/// Embeds the archive that `btfgen_build::generate()` wrote.
///
/// `embed!()` embeds the program's archive, which [`btf_for_host`](crate::btf_for_host) searches, also when a library calls it.
/// Use it once in a program, in any module. It compiles in binaries, examples and tests only, so that no library can replace the
/// program's archive. Without it, a program that calls `btf_for_host` fails to link: the symbol `BTFGEN_EMBED_IS_MISSING` is
/// undefined.
///
/// `embed!(pub static BTF)` defines a static of the archive's bytes, for [`Finder::archive`](crate::Finder::archive). It compiles
/// in any crate whose build script calls `generate()`. Libraries use it. Builds without cargo use it too, and set the environment
/// variable `BTFGEN_ARCHIVE` to the archive's absolute path. This example is not compiled, because it needs the archive of a build
/// script:
///
/// ```ignore
/// btfgen_runtime::embed!(pub static BTF);
///
/// let btf = btfgen_runtime::Finder::new().archive(BTF).find()?;
/// ```
#[macro_export]
macro_rules! embed {
    () => {
        const _: () = {
            // Cargo sets CARGO_BIN_NAME for binaries and examples. It compiles all other programs with cfg(test), and libraries
            // that other crates depend on with neither.
            #[cfg(not(test))]
            const _: &str = env!(
                "CARGO_BIN_NAME",
                "embed!() compiles only in binaries, examples and tests that cargo builds; elsewhere, write \
                 `btfgen_runtime::embed!(pub static BTF);` and search it with `btfgen_runtime::Finder::new().archive(BTF)`"
            );
            #[unsafe(no_mangle)]
            static BTFGEN_EMBED_IS_MISSING: &[u8] = include_bytes!(env!(
                "BTFGEN_ARCHIVE",
                "embed!() needs a build script that calls btfgen_build::generate(), with emit = \"archive\" or \"both\" in btfgen.toml"
            ));
        };
    };
    ($(#[$attribute:meta])* $visibility:vis static $name:ident) => {
        $(#[$attribute])*
        $visibility static $name: &[u8] = include_bytes!(env!(
            "BTFGEN_ARCHIVE",
            "embed!() needs a build script that calls btfgen_build::generate(), with emit = \"archive\" or \"both\" in btfgen.toml"
        ));
    };
}

/// The archive that [`embed!`] embedded.
///
/// ```no_run
/// # #[unsafe(no_mangle)]
/// # static BTFGEN_EMBED_IS_MISSING: &[u8] = &[];
/// // Runs in a program with embed!(): on which kernels does this binary find a BTF?
/// let archive = btfgen_runtime::Archive::open(btfgen_runtime::embedded_archive())?;
/// archive.kernels().for_each(|kernel| println!("{kernel}"));
/// # Ok::<(), btfgen_runtime::ArchiveError>(())
/// ```
#[inline]
pub fn embedded_archive() -> &'static [u8] {
    // This function is inline so that only programs that call it refer to the symbol.
    unsafe extern "Rust" {
        static BTFGEN_EMBED_IS_MISSING: &'static [u8];
    }
    // SAFETY: `embed!` defines the symbol as an immutable static of this type. It compiles only in the crate of the program itself,
    // of which there is one, and rustc refuses two definitions in one crate. Without a definition the program does not link.
    unsafe { BTFGEN_EMBED_IS_MISSING }
}
