//! Selects the embedded BTF that belongs to the running kernel and hands it to an eBPF loader.
//!
//! `btfgen_build::generate()` in a program's `build.rs` writes an archive of minimized BTFs; here is what the program
//! itself needs:
//!
//! ```no_run
//! # mod demo {
//! // Beside the program's other items; btf_for_host() does not link without it.
//! # #[cfg(any())]
//! btfgen_runtime::embed!();
//! # }
//! # #[unsafe(no_mangle)]
//! # static BTFGEN_EMBED_IS_MISSING: &[u8] = &[];
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let btf = btfgen_runtime::btf_for_host()?;
//!     eprint!("{}", btf.explain());
//!     if let Some(path) = btf.path() {
//!         // builder.btf_custom_path(path)?;
//! #       let _ = path;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! A BTF is handed over only when it is known to be the host kernel's: the kernel's own words (`uname`, `/proc/version`)
//! come first, so that a container's os-release misleads nobody, and what they leave open is refused, with an
//! [`Error`] that names the host, the reasons and the nearest kernels. [`Finder`] has the options.
#![warn(missing_docs)]

mod archive;
mod banner;
mod catalog;
mod digest;
mod elf;
mod error;
mod finder;
mod fs;
mod group;
mod handle;
mod hash;
mod host;
mod identity;
mod kernel_id;
mod loader;
mod nearest;
mod os_release;
mod privilege;
mod search;
mod select;
mod text;
mod unpack;
mod vendor;
pub mod wire;

pub use archive::Archive;
pub use catalog::Catalog;
pub use digest::ObjectDigest;
pub use error::{ArchiveError, Error, NotFound, ObjectError, Stale};
pub use finder::Finder;
pub use host::Host;
pub use kernel_id::{KernelId, KernelIdError};
pub use loader::{HostBtf, Source, Step};
pub use os_release::OsRelease;
pub use select::{How, Refusal, RefusalKind, Selection, select};

/// Embeds the archive that `btfgen_build::generate()` wrote to `OUT_DIR`.
///
/// Stands once in a program, as an item or a statement; a program that calls [`btf_for_host`] without it fails to link
/// for want of `BTFGEN_EMBED_IS_MISSING`.
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
    // Inline, so that only programs that use it refer to the symbol.
    unsafe extern "Rust" {
        static BTFGEN_EMBED_IS_MISSING: &'static [u8];
    }
    // SAFETY: `embed!` defines the symbol with this very type as an immutable static; two definitions, or none, fail to
    // link.
    unsafe { BTFGEN_EMBED_IS_MISSING }
}

/// Finds the BTF of the running kernel: its own, or the one that was embedded for it.
///
/// # Errors
/// When the kernel brings none and none is known to be its; see [`Finder::find`].
#[inline]
pub fn btf_for_host() -> Result<HostBtf, Error> {
    Finder::embedded().find()
}
