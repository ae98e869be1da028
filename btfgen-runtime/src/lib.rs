//! Selects, unpacks and hands over the embedded BTF of the running kernel.
#![warn(missing_docs)]

mod kernel_id;

pub use kernel_id::{KernelId, KernelIdError};
