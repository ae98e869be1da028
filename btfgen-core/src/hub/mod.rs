//! Hub: a source of kernels. Its files' formats, and which of its kernels are wanted.
//!
//! In the order of imports: `codec`, `form`, `elf`, `filter`, `defects`, `attach`, `function`,
//! `file`.

mod attach;
mod codec;
mod defects;
mod elf;
pub mod file;
mod filter;
mod form;
mod function;

pub use attach::{AttachTable, Attachability, ShipsBtf};
pub use codec::{Codec, Failure, Limited, read_up_to};
pub use defects::{Defect, Defects};
pub use elf::btf_range;
pub use filter::{FilterError, KernelFilter, KernelGlob, Near, Selection};
pub use form::{CodecError, Form, MAX_BTF_LEN, unpack};
pub use function::Function;
