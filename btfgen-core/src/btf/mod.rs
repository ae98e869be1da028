//! BTF wire format: zero-copy reader and writer, both byte orders, all kinds up to `ENUM64`.
//!
//! In the order of imports: `ids`, `kind`, `endian`, `error`, `entries`, `read`, `write`.

mod endian;
mod entries;
mod error;
mod ids;
mod kind;
mod read;
mod write;

pub use endian::{DataModel, Endian, u32_at};
pub use entries::{Enumerator, Member, Param, Variable};
pub use error::BtfError;
pub use ids::{StrOffset, TypeId};
pub use kind::Kind;
pub use read::{Btf, MAX_NAME_LEN, RawType};
pub use write::Writer;

pub(crate) use endian::u16_at;
pub(crate) use read::{is_long, string_at};
