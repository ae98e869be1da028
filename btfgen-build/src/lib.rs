//! Generates minimized BTFs for eBPF objects at `cargo build`, so that one binary also runs on kernels without BTF.
//!
//! This crate is for `build.rs`. It reads the compiled eBPF objects of a program and a *hub*, the BTFs of many kernels in one file or
//! folder. It keeps what the CO-RE relocations of the objects read, stores equal content once, and writes one compressed archive, some
//! kilobytes for hundreds of kernels. [`btfgen-runtime`](https://docs.rs/btfgen-runtime), which the program links,
//! selects the running kernel's BTF and passes it to libbpf or aya.
//!
//! # Use
//!
//! `Cargo.toml`:
//!
//! ```toml
//! [build-dependencies]
//! btfgen-build = "0.1"
//!
//! [dependencies]
//! btfgen-runtime = "0.1"
//! ```
//!
//! `build.rs`:
//!
//! ```no_run
//! // Optional: compiles src/bpf/*.bpf.c to $OUT_DIR/*.bpf.o with clang.
//! btfgen_build::compile().unwrap_or_else(|error| error.exit());
//! // Writes $OUT_DIR/btfgen.archive.
//! btfgen_build::generate().unwrap_or_else(|error| error.exit());
//! ```
//!
//! `btfgen.toml`, next to `Cargo.toml`; [`Config`] has a method for each entry:
//!
//! ```toml
//! objects = ["$OUT_DIR/*.bpf.o"]
//! hub = "kernels.hub"
//! include = ["debian/**", "ubuntu/2*/**"]
//!
//! [[require]] # the build fails if a program fails there, and says why
//! kernels = ["debian/12/**"]
//! ```
//!
//! `src/main.rs`:
//!
//! ```ignore
//! btfgen_runtime::embed!();
//!
//! let btf = btfgen_runtime::btf_for_host()?;
//! if let Some(path) = btf.into_static() {
//!     object_builder.btf_custom_path(path)?;
//! }
//! ```
//!
//! A hub file is made with the command `btfgen` (`cargo install --locked btfgen`): `btfgen vendor` reads kernel packages, kernel images, BTFHub's
//! archive and the machine that it runs on. Commit the file; a build needs no network.
//!
//! # Will it run?
//!
//! The build also forecasts on which kernels each program runs, from what the kernels' BTFs tell: relocations, helpers, map and program
//! types, functions and tracepoints to attach to. A program that fails on a kernel for which a BTF is embedded is a warning, or an error
//! where `[[require]]` requires it. `btfgen report` shows all of it.
//!
//! # Features
//!
//! - `packed`: hub trees with packed files, `.btf.tar.xz`, as BTFHub's archive stores them. Hub files need no feature.
//! - `html`: `report = "html"` writes the forecast as a page, `$OUT_DIR/btfgen-report.html`.
//!
//! # Limits
//!
//! - Programs that attach by BTF (fentry, LSM, struct_ops, ...) and kfuncs need the running kernel's own BTF, even if one is embedded.
//! - A kernel that is not in the hub gets no BTF. At run time this is an error that names the nearest kernels, never a BTF that is only likely
//!   to match.
//! - `TYPE_ID_TARGET` relocations get the id of the minimized BTF; the build reports them.
#![warn(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod cargo;
mod compile;
mod config;
mod error;
mod generate;
#[cfg(test)]
mod testing;

pub use btfgen_core::KernelId;
pub use btfgen_core::forecast::Unknown;
pub use btfgen_core::pipeline::{BuildIds, OnFailure};
pub use btfgen_core::report::Report;
pub use compile::{Compile, compile};
pub use config::{Config, Emit, ReportForm};
pub use error::{Error, ErrorKind};
pub use generate::generate;
