//! Selects, unpacks and hands over the embedded BTF of the running kernel.
#![warn(missing_docs)]

mod archive;
mod error;
mod kernel_id;
mod unpack;
pub mod wire;

pub use archive::Archive;
pub use error::ArchiveError;
pub use kernel_id::{KernelId, KernelIdError};
