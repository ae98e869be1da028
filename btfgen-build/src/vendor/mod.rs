//! Vendor: kernel images and packages to BTF, so that a hub needs nothing but what distributions publish.

pub mod codec;
mod deb;
mod error;
pub mod image;
pub mod package;
mod rpm;
mod scan;
#[cfg(test)]
mod testing;

pub use deb::paragraph;
pub use error::VendorError;
