//! Privilege: whether this process was given more rights than its caller has, so that the caller's environment
//! must not choose what it loads into the kernel.

use std::ffi::OsString;
use std::path::Path;

use crate::fs;

/// Entry of the auxiliary vector that the kernel sets for setuid, setgid and file capabilities, getauxval(3).
const AT_SECURE: usize = 23;

/// An environment variable, unless it is empty or the process runs with raised privileges.
#[inline(never)]
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty() && !raised())
}

/// Whether the process runs with raised privileges; also when that cannot be found out.
#[inline(never)]
pub(crate) fn raised() -> bool {
    use rustix::process::{getegid, geteuid, getgid, getuid};
    if geteuid() != getuid() || getegid() != getgid() {
        return true;
    }
    fs::read(Path::new("/proc/self/auxv"), 4096).map_or(true, |auxv| secure(&auxv))
}

/// Whether an auxiliary vector, pairs of words, says `AT_SECURE`; also when it says nothing of it.
fn secure(auxv: &[u8]) -> bool {
    const WORD: usize = size_of::<usize>();
    let word = |bytes: &[u8]| bytes.try_into().map(usize::from_ne_bytes).ok();
    auxv.chunks_exact(2 * WORD)
        .map(|pair| pair.split_at(WORD))
        .find(|(key, _)| word(key) == Some(AT_SECURE))
        .is_none_or(|(_, value)| word(value) != Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_auxiliary_vector_decides() {
        let check = |words: &[usize], expect: bool| {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            assert_eq!(secure(&bytes), expect, "{words:?}");
        };
        check(&[3, 9, AT_SECURE, 0, 0, 0], false);
        check(&[3, 9, AT_SECURE, 1, 0, 0], true);
        check(&[3, AT_SECURE, 0, 0], true);
        check(&[], true);
    }

    #[test]
    fn tests_run_without_raised_privileges() {
        assert!(!raised());
    }
}
