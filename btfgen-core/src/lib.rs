//! The engine of btfgen: from eBPF objects and kernel BTF to minimized BTFs, diagnoses and an archive.
//!
//! This crate is not a stable API. Build scripts use `btfgen-build`, programs use `btfgen-runtime`, people use the command
//! `btfgen`.
#![warn(missing_docs)]

pub mod archive;
pub mod btf;
mod diagnose;
pub mod files;
pub mod hub;
pub mod kernel;
mod memo;
pub mod minimize;
pub mod object;
pub mod pipeline;
pub mod report;
pub mod resolve;
mod threads;
pub mod types;

pub use btfgen_runtime::{KernelId, KernelIdError};
