//! Generates minimized BTFs for eBPF objects and embeds them: the build half of btfgen.
#![warn(missing_docs)]

pub mod archive;
mod cargo;
mod compile;
#[expect(dead_code, reason = "generate uses the rest")]
mod config;
mod error;
mod fs;
pub mod hub;

pub use btfgen_runtime::{KernelId, KernelIdError};
pub use compile::{Compile, CompileError, compile};
pub use config::{Config, ConfigError, Emit, OnFailure};
pub use error::{Error, ErrorKind};
pub use fs::FsError;
pub mod btf;
pub mod kernel;
pub mod minimize;
pub mod object;
pub mod resolve;
pub mod roots;
pub mod types;
