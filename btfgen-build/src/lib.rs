//! Generates minimized BTFs for eBPF objects and embeds them: the build half of btfgen.
#![warn(missing_docs)]

// The objects by hand of the tests in `tests` are made in tests here, too.
#[cfg(test)]
extern crate self as btfgen_build;

pub mod archive;
pub mod btf;
mod cache;
mod cargo;
mod compile;
mod config;
mod error;
mod fs;
mod generate;
pub mod hub;
pub mod kernel;
mod memo;
pub mod minimize;
pub mod object;
pub mod pipeline;
pub mod report;
pub mod resolve;
pub mod roots;
mod threads;
pub mod types;
#[cfg(feature = "vendor")]
pub mod vendor;

pub use btfgen_runtime::{KernelId, KernelIdError};
pub use compile::{Compile, CompileError, compile};
pub use config::{Config, ConfigError, Emit, OnFailure};
pub use error::{Error, ErrorKind};
pub use fs::FsError;
pub use generate::{ARCHIVE_NAME, TREE_NAME, generate};
pub use report::Report;
