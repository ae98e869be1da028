//! BTF wire format: zero-copy reader and writer, both byte orders, all kinds up to `ENUM64`.
//!
//! The reader accepts what Linux 7.1 and pahole 1.31 write: `vlen` of 24 bits, kinds up to 127, and a layout section, by
//! which it skips types of kinds that it does not know. The writer stays within the limits of older loaders: a header of 24
//! bytes, `vlen` of 16 bits, known kinds only.
//!
//! In the order of imports: `ids`, `kind`, `name`, `endian`, `error`, `entries`, `layout`, `read`, `relocate`, `write`.

mod endian;
mod entries;
mod error;
mod ids;
mod kind;
mod layout;
mod name;
mod read;
mod relocate;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod write;

pub use endian::{DataModel, Endian, u32_at};
pub use entries::{Enumerator, Member, Param, Variable};
pub use error::BtfError;
pub use ids::{StrOffset, TypeId};
pub use kind::Kind;
pub use read::{Btf, NameReader, RawType};
pub use relocate::{RelocateError, relocate};
pub use write::Writer;

pub(crate) use endian::u16_at;
pub(crate) use name::{excess_len, shown_name};
pub(crate) use read::{MAX_CHAIN, is_long, string_at};
