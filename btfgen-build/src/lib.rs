//! Generates minimized BTFs for eBPF objects and embeds them: the build half of btfgen.
#![warn(missing_docs)]

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
pub use config::{Config, Emit};
pub use error::{Error, ErrorKind};
pub use generate::generate;
