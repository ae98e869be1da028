//! Import: the BTF of kernels in distribution packages, kernel images, hub trees and the running kernel.
//!
//! `pahole`, `source` and `collect` touch the world; the other modules are functions over bytes and readers.

mod banner;
mod build_id;
pub mod codec;
pub mod collect;
mod error;
pub mod image;
mod kallsyms;
pub mod modules;
pub mod package;
mod package_format;
mod pahole;
mod scan;
pub mod source;
mod symbols;

#[cfg(test)]
mod testing;

pub use error::{ImportError, KernelWithoutBtf};
pub use package::paragraph;
