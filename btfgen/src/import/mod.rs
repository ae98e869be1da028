//! Vendor: kernel images and packages to BTF, so that a hub needs nothing but what distributions publish.

pub mod codec;
pub mod collect;
mod deb;
mod error;
pub mod image;
pub mod modules;
pub mod package;
mod pahole;
mod rpm;
mod scan;
pub mod source;
mod temp;
#[cfg(test)]
mod testing;

pub use deb::paragraph;
pub use error::VendorError;
pub use pahole::vmlinux_btf;
