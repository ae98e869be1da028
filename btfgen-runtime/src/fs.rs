//! Files: reading with a limit, so that no file exhausts memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads a file up to `max_bytes`; what follows is ignored.
pub(crate) fn read_up_to(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(max_bytes).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_up_to_the_limit() {
        let program = std::fs::read("/proc/self/exe").unwrap();
        for max in [0, 1, 4095, 4096, 16384, 100_000, program.len(), program.len() + 9] {
            let got = read_up_to(Path::new("/proc/self/exe"), max as u64).unwrap();
            assert!(got == program[..max.min(program.len())], "{max}");
        }
        // The kernel reports a length of 0 for files in /proc.
        assert!(!read_up_to(Path::new("/proc/self/auxv"), 1 << 16).unwrap().is_empty());
        assert!(read_up_to(Path::new("/proc/self/none"), 9).is_err());
    }
}
