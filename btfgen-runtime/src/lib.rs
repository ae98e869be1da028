//! Selects the embedded BTF that belongs to the running kernel and hands it to an eBPF loader.
//!
//! [`btfgen_build::generate()`](https://docs.rs/btfgen-build) in a program's `build.rs` writes an archive of minimized
//! BTFs. The program embeds it and gets the BTF of the running kernel:
//!
//! ```no_run
//! # mod demo {
//! // An item of the program, in any module; without it, btf_for_host() does not link.
//! # #[cfg(any())]
//! btfgen_runtime::embed!();
//! # }
//! # #[unsafe(no_mangle)]
//! # static BTFGEN_EMBED_IS_MISSING: &[u8] = &[];
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let btf = btfgen_runtime::btf_for_host()?;
//!     eprint!("{}", btf.explain());
//!     // libbpf-rs keeps the path and reads the file in load(). None: the kernel has its own BTF.
//!     if let Some(path) = btf.into_static() {
//!         // builder.btf_custom_path(path)?;
//! #       let _ = path;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! A BTF is returned only if it is known to be the host kernel's. The kernel's build id and its own strings (`uname`,
//! `/proc/version`) count first, so a container's os-release has no effect on them. If they are not conclusive, the
//! [`Error`] names the host, the reasons, the nearest kernels and what to do next. [`Finder`] has the options.
//!
//! # Features
//!
//! - `include-dir`: `Finder::tree` selects from a folder tree that `include_dir!` embedded.
//! - `provider`: `Finder::provider` asks a function of the app for a BTF that is not embedded.
//!
//! # Limits
//!
//! - Linux only. Tested with libbpf 1.7, which takes a path (`btf_custom_path`), and with aya 0.14, which takes bytes.
//! - Programs that attach by BTF (fentry, LSM, struct_ops, ...) and kfuncs need the kernel's own BTF; [`kernel_has_btf`] tells whether it has it.
//! - A kernel that is not in the archive gets no BTF, unless the app opts in to [a neighbor's](Finder::infer_nearest).
#![warn(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod arch;
mod archive;
mod build_id;
mod catalog;
mod definitions;
mod digest;
mod distro;
mod elf;
mod embed;
mod environment;
mod error;
mod finder;
mod folder;
mod fs;
mod hash;
mod host;
mod host_btf;
mod identity;
mod kernel_btf;
mod kernel_id;
mod nearest_kernels;
mod os_release;
mod proc_version;
#[cfg(feature = "provider")]
mod provider;
mod read_host;
mod select;
mod unpack;
mod unpacked_file;
#[doc(hidden)]
pub mod wire;

#[doc(hidden)]
pub use arch::hub_arch;
pub use archive::Archive;
pub use build_id::{BuildId, BuildIdError, BuildIdPrefix};
pub use catalog::Catalog;
pub use digest::ObjectDigest;
pub use embed::embedded_archive;
pub use error::{ArchiveError, ObjectError};
pub use finder::{Error, Finder, NotFound, Stale};
pub use host::Host;
pub use host_btf::{HostBtf, Source, Step};
pub use kernel_btf::kernel_has_btf;
pub use kernel_id::{KernelId, KernelIdError};
pub use os_release::OsRelease;
#[cfg(feature = "provider")]
pub use provider::{ProvidedBtf, Wanted};
pub use select::{How, Refusal, RefusalKind, Selection, select};

/// Finds the BTF of the running kernel: its own, or the one in the program's archive, which [`embed!`] embedded.
///
/// A library that calls this searches the program's archive too. [`Finder::archive`] searches a library's own. The front page has
/// [an example](crate).
///
/// # Errors
/// If the kernel has no BTF of its own and no embedded one is known to be the kernel's; see [`Finder::find`].
#[inline]
pub fn btf_for_host() -> Result<HostBtf, Error> {
    Finder::embedded().find()
}
