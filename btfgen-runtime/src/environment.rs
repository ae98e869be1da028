//! Environment variables that name files; they are ignored when the process runs with raised privileges.
//!
//! A setuid program must not load what its caller chooses into the kernel.

use std::env;
use std::ffi::OsString;
use std::fs;

/// Names the BTF file to use; it overrides all other sources.
pub(crate) const BTF: &str = "BTFGEN_BTF";
/// Names the host's root file system as a container sees it.
pub(crate) const HOST_ROOT: &str = "BTFGEN_HOST_ROOT";
/// Names the host's os-release file.
pub(crate) const OS_RELEASE: &str = "BTFGEN_OS_RELEASE";

/// Entry of the auxiliary vector that the kernel sets for setuid, setgid and file capabilities, see getauxval(3).
const AT_SECURE: usize = 23;

/// Whether a variable is set to something, trusted or not.
pub(crate) fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// A variable's value; `None` if it is unset or empty, or if the process runs with raised privileges.
pub(crate) fn trusted(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty() && !privileges_are_raised())
}

/// Whether the process has more privileges than its caller; also `true` if that is unknown.
fn privileges_are_raised() -> bool {
    use rustix::process::{getegid, geteuid, getgid, getuid};
    if geteuid() != getuid() || getegid() != getgid() {
        return true;
    }
    fs::read("/proc/self/auxv").map_or(true, |auxv| is_secure(&auxv))
}

/// Whether an auxiliary vector, pairs of words, sets `AT_SECURE`; also `true` if it has no such entry.
fn is_secure(auxv: &[u8]) -> bool {
    let mut words = auxv
        .chunks_exact(size_of::<usize>())
        .map(|word| usize::from_ne_bytes(word.try_into().unwrap_or_default()));
    while let (Some(key), Some(value)) = (words.next(), words.next()) {
        if key == AT_SECURE {
            return value != 0;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_auxiliary_vector_decides() {
        let check = |words: &[usize], expect: bool| {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            assert_eq!(is_secure(&bytes), expect, "{words:?}");
        };
        check(&[3, 9, AT_SECURE, 0, 0, 0], false);
        check(&[3, 9, AT_SECURE, 1, 0, 0], true);
        check(&[3, AT_SECURE, 0, 0], true);
        check(&[], true);
    }

    #[test]
    fn tests_run_without_raised_privileges() {
        assert!(!privileges_are_raised());
    }
}
