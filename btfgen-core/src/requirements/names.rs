//! Names of the object's BTF.

use crate::btf::{Btf, BtfError, StrOffset};
use crate::types::essential_len;

/// Limit on the bytes of a name that is read.
const MAX_NAME: usize = 1024;

/// A name, truncated to [`MAX_NAME`] bytes.
pub(super) fn name_of(btf: &Btf<'_>, at: StrOffset) -> Result<String, BtfError> {
    Ok(String::from_utf8_lossy(btf.string_up_to(at, MAX_NAME)?).into_owned())
}

/// A name without its flavor.
pub(super) fn essential_name_of(btf: &Btf<'_>, at: StrOffset) -> Result<String, BtfError> {
    Ok(essential_name(&name_of(btf, at)?).to_owned())
}

/// A name without its flavor.
pub(crate) fn essential_name(name: &str) -> &str {
    &name[..essential_len(name.as_bytes())]
}
