//! Hub: a source of kernels. What hub files hold, the forms of BTF files, and which kernels of a hub are wanted.

mod codec;
mod elf;
pub mod file;
mod filter;

pub use codec::{CodecError, Form, MAX_BTF_LEN, unpack};
pub use elf::btf_range;
pub use filter::{FilterError, KernelFilter, Selection};
