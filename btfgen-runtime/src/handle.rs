//! Handle: a path under which bytes can be opened for as long as the handle lives, and by nobody else if possible.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{AtFlags, CWD, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;

use crate::fs::{below, c_path, open};
use crate::privilege;
use crate::text::{decimal, join};

/// Bytes with a path; they are gone when it is dropped or, but for [`Keep::Folder`], when the process ends.
#[derive(Debug)]
pub(crate) struct Handle {
    path: PathBuf,
    /// Held for what its drop does.
    _keep: Keep,
}

#[derive(Debug)]
enum Keep {
    /// A file without a name, open as long as this is.
    Open { _file: File },
    /// A file in a folder of its own, for hosts without /proc.
    Folder { _folder: PrivateFolder },
}

/// The ways to have a path, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// A sealed memfd: nobody can change it.
    Memfd,
    /// An unnamed file, for kernels without memfd.
    Unnamed,
    /// A private file, for hosts without /proc.
    Private,
}

impl Handle {
    /// Gives bytes a path by the first way that works.
    ///
    /// # Errors
    /// When none does; the error is the last way's.
    pub(crate) fn new(bytes: &[u8]) -> io::Result<Self> {
        Self::by(Way::Memfd, bytes)
            .or_else(|_| Self::by(Way::Unnamed, bytes))
            .or_else(|_| Self::by(Way::Private, bytes))
    }

    /// Gives bytes a path by one way.
    #[inline(never)]
    pub(crate) fn by(way: Way, bytes: &[u8]) -> io::Result<Self> {
        match way {
            Way::Memfd => memfd(bytes).and_then(|file| open_file(file, bytes)),
            Way::Unnamed => in_folders(unnamed, bytes),
            Way::Private => in_folders(private, bytes),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// The path of an open file, if /proc is there to give it one.
fn open_file(file: File, bytes: &[u8]) -> io::Result<Handle> {
    let path = PathBuf::from(join(&["/proc/self/fd/", &decimal(file.as_raw_fd().unsigned_abs())]));
    if path.metadata()?.len() != bytes.len() as u64 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(Handle { path, _keep: Keep::Open { _file: file } })
}

fn memfd(bytes: &[u8]) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know NOEXEC_SEAL; with vm.memfd_noexec = 2 later ones insist on it.
    let fd: OwnedFd = match rustix::fs::memfd_create("btfgen", flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => rustix::fs::memfd_create("btfgen", flags)?,
        other => other?,
    };
    let mut file = File::from(fd);
    file.write_all(bytes)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    Ok(file)
}

fn unnamed(folder: &Path, bytes: &[u8]) -> io::Result<Handle> {
    let flags = OFlags::TMPFILE | OFlags::RDWR;
    let mut file = open(folder, flags, Mode::RUSR | Mode::WUSR)?;
    file.write_all(bytes)?;
    open_file(file, bytes)
}

/// A file of mode 0600 in a new folder of mode 0700, in which nobody else can replace it.
fn private(folder: &Path, bytes: &[u8]) -> io::Result<Handle> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let process = std::process::id();
    for _ in 0..64 {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = below(folder, &join(&["btfgen-", &decimal(process), "-", &decimal(number)]));
        match rustix::fs::mkdir(&c_path(&path)?, Mode::RWXU) {
            // Another process's of the same number, perhaps left behind: it is not looked into.
            Err(Errno::EXIST) => continue,
            other => other?,
        }
        let folder = PrivateFolder { path, process };
        let path = folder.file();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        open(&path, flags, Mode::RUSR | Mode::WUSR)?.write_all(bytes)?;
        return Ok(Handle { path, _keep: Keep::Folder { _folder: folder } });
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A folder that is removed on drop, but not by a forked child.
#[derive(Debug)]
struct PrivateFolder {
    path: PathBuf,
    process: u32,
}

impl PrivateFolder {
    fn file(&self) -> PathBuf {
        below(&self.path, "vmlinux.btf")
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        if std::process::id() == self.process {
            remove(&self.file(), AtFlags::empty());
            remove(&self.path, AtFlags::REMOVEDIR);
        }
    }
}

/// Removes a file or an empty folder, if it can.
#[inline(never)]
fn remove(path: &Path, flags: AtFlags) {
    if let Ok(path) = c_path(path) {
        let _ = rustix::fs::unlinkat(CWD, &path, flags);
    }
}

/// Tries the folders for short-lived files; the environment's only when it may be trusted.
fn in_folders(attempt: fn(&Path, &[u8]) -> io::Result<Handle>, bytes: &[u8]) -> io::Result<Handle> {
    for name in ["XDG_RUNTIME_DIR", "TMPDIR"] {
        if let Some(folder) = privilege::variable(name)
            && let Ok(handle) = attempt(Path::new(&folder), bytes)
        {
            return Ok(handle);
        }
    }
    let mut result = Err(io::ErrorKind::NotFound.into());
    for folder in ["/run", "/dev/shm", "/tmp", "/var/tmp"] {
        result = attempt(Path::new(folder), bytes);
        if result.is_ok() {
            break;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, OpenOptions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn every_way_gives_a_path_that_reads_the_bytes() {
        let bytes = vec![7u8; 100_000];
        for way in [Way::Memfd, Way::Unnamed, Way::Private] {
            let (one, two) = (Handle::by(way, &bytes).unwrap(), Handle::by(way, b"other").unwrap());
            assert_ne!(one.path(), two.path());
            assert_eq!(fs::read(one.path()).unwrap(), bytes, "{way:?}");
            assert_eq!(fs::read(two.path()).unwrap(), b"other", "{way:?}");
            let path = one.path().to_owned();
            std::thread::scope(|scope| {
                scope.spawn(|| assert_eq!(fs::read(&path).unwrap(), bytes));
            });
        }
    }

    #[test]
    fn a_memfd_is_sealed() {
        let handle = Handle::by(Way::Memfd, b"btf").unwrap();
        let Keep::Open { _file: file } = &handle._keep else { panic!("not a memfd") };
        let seals = rustix::fs::fcntl_get_seals(file).unwrap();
        assert!(seals.contains(SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL));
        assert!((&*file).write_all(b"x").is_err());
        // Opening it anew gives no way around the seals either.
        let reopened = OpenOptions::new().write(true).open(handle.path());
        assert!(reopened.and_then(|mut file| file.write_all(b"x")).is_err());
        assert_eq!(fs::read(handle.path()).unwrap(), b"btf");
    }

    #[test]
    fn a_private_file_is_private_and_removed() {
        let handle = Handle::by(Way::Private, b"btf").unwrap();
        let file = handle.path().to_owned();
        let folder = file.parent().unwrap().to_owned();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&folder)), (0o600, 0o700));
        drop(handle);
        assert!(!file.exists() && !folder.exists());
    }
}
