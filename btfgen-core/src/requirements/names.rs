//! Names and types of the object's BTF.

use crate::btf::{Btf, BtfError, Kind, RawType, StrOffset, TypeId};

/// Limit on the bytes of a name that is read.
const MAX_NAME: usize = 1024;

/// Limit on a chain of modifiers and typedefs, as in libbpf.
const MAX_DEPTH: usize = 32;

/// A name, truncated to [`MAX_NAME`] bytes.
pub(super) fn name_of(btf: &Btf<'_>, at: StrOffset) -> Result<String, BtfError> {
    Ok(String::from_utf8_lossy(btf.string_up_to(at, MAX_NAME)?).into_owned())
}

/// libbpf's `skip_mods_and_typedefs`.
pub(super) fn skip_modifiers<'b>(btf: &Btf<'b>, mut id: TypeId) -> Result<RawType<'b>, BtfError> {
    for _ in 0..MAX_DEPTH {
        let ty = btf.type_by_id(id)?;
        if !(ty.kind.is_modifier() || ty.kind == Kind::Typedef) {
            return Ok(ty);
        }
        id = ty.target();
    }
    Err(BtfError::TooDeep { id })
}
