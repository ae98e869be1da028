//! Names of the object's BTF.

use crate::btf::{Btf, BtfError, StrOffset};

/// Limit on the bytes of a name that is read.
const MAX_NAME: usize = 1024;

/// A name, truncated to [`MAX_NAME`] bytes.
pub(super) fn name_of(btf: &Btf<'_>, at: StrOffset) -> Result<String, BtfError> {
    Ok(String::from_utf8_lossy(btf.string_up_to(at, MAX_NAME)?).into_owned())
}
