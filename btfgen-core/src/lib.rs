//! The engine of btfgen: from eBPF objects and kernel BTF to minimized BTFs, diagnoses and an archive.
//!
//! This crate is not a stable API. Build scripts use `btfgen-build`, programs use `btfgen-runtime`, people use the command
//! `btfgen`.
#![warn(missing_docs)]

pub mod archive;
pub mod btf;
mod diagnose;
pub mod facts;
pub mod files;
pub mod forecast;
pub mod hub;
pub mod kernel;
mod memo;
pub mod minimize;
pub mod object;
pub mod pipeline;
pub mod report;
pub mod requirements;
pub mod resolve;
mod series;
mod threads;
pub mod types;

/// Default compression level of zstd: archives are 1 % larger than at level 19, and are written in half the time.
pub const DEFAULT_LEVEL: i32 = 17;

pub use btfgen_runtime::{KernelId, KernelIdError};
