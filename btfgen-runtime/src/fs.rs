//! Files: the few things that are done with them here, each compiled once.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Reads at most `max` bytes of a file; also of one in /proc, whose length is not known beforehand.
#[inline(never)]
pub(crate) fn read(path: &Path, max: usize) -> io::Result<Vec<u8>> {
    let mut file = open(path, OFlags::RDONLY, Mode::empty())?;
    let mut bytes = Vec::new();
    let mut filled = 0;
    while filled < max {
        if bytes.len() == filled {
            bytes.resize(max.min(filled.max(2 << 10) * 2), 0);
        }
        match file.read(bytes.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Opens a file, or makes one with this mode.
#[inline(never)]
pub(crate) fn open(path: &Path, flags: OFlags, mode: Mode) -> io::Result<File> {
    let path = c_path(path)?;
    let file = rustix::io::retry_on_intr(|| rustix::fs::open(&path, flags | OFlags::CLOEXEC, mode))?;
    Ok(File::from(file))
}

/// A path as system calls take it.
///
/// # Errors
/// When it holds a NUL byte.
#[inline(never)]
pub(crate) fn c_path(path: &Path) -> io::Result<CString> {
    let unexpected = "file name contained an unexpected NUL byte";
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, unexpected))
}

/// A path below a folder.
#[inline(never)]
pub(crate) fn below(folder: &Path, name: &str) -> PathBuf {
    folder.join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_up_to_the_limit() {
        let program = std::fs::read("/proc/self/exe").unwrap();
        for max in [0, 1, 4095, 4096, 16384, 100_000, program.len(), program.len() + 9] {
            let got = read(Path::new("/proc/self/exe"), max).unwrap();
            assert!(got == program[..max.min(program.len())], "{max}");
        }
        assert!(!read(Path::new("/proc/self/auxv"), 1 << 16).unwrap().is_empty());
        assert!(read(Path::new("/proc/self/none"), 9).is_err());
    }
}
