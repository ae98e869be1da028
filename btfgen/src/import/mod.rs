//! Import: the BTF of kernels in distribution packages, kernel images, hub trees and the running kernel.
//!
//! Each module imports only those above it. `pahole`, `source` and `collect` touch the world; the others are functions
//! over bytes and readers.

pub mod codec;
pub mod collect;
mod error;
pub mod image;
pub mod modules;
pub mod package;
mod pahole;
mod scan;
pub mod source;

#[cfg(test)]
mod testing;

pub use error::ImportError;
pub use package::paragraph;
pub use pahole::vmlinux_btf;
