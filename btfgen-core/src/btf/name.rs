//! Names as the limits count them, and as messages show them.

use std::borrow::Cow;

/// Bytes of a name whose repeated use is not limited, twice the kernel's `KSYM_NAME_LEN`.
const ORDINARY_LEN: usize = 1024;

/// Most bytes of a name in a message.
const MAX_SHOWN: usize = 128;

/// The bytes of a name that count where the work on long names is limited.
pub(crate) fn excess_len(name: &[u8]) -> usize {
    name.len().saturating_sub(ORDINARY_LEN)
}

/// A name for a message: bytes that are not UTF-8 are replaced, and a long name is cut and ends with an ellipsis.
pub(crate) fn shown_name(name: &[u8]) -> Cow<'_, str> {
    match name.get(..MAX_SHOWN) {
        Some(start) if name.len() > MAX_SHOWN => String::from_utf8_lossy(start) + "…",
        _ => String::from_utf8_lossy(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut() {
        let check = |name: &[u8], expect: &str| assert_eq!(shown_name(name), expect);
        check(b"", "");
        check(b"task_struct", "task_struct");
        check(b"a\xff", "a\u{fffd}");
        check(&[b'x'; 128], &"x".repeat(128));
        check(&[b'x'; 129], &("x".repeat(128) + "…"));
    }
}
