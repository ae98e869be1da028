//! Unpacked file: gives a BTF a path as long as a loader needs it, readable by nobody else if possible.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{MemfdFlags, OFlags, SealFlags};
use rustix::io::Errno;

use crate::environment;

/// A file that is removed on drop and, unless it is in a folder of its own, when the process ends.
#[derive(Debug)]
pub(crate) struct UnpackedFile {
    path: PathBuf,
    /// Removes the file on drop.
    _owner: Owner,
}

#[derive(Debug)]
enum Owner {
    /// A file without a name, which exists while it is open.
    OpenFile { _file: File },
    /// The folder of a named file.
    Folder { _folder: PrivateFolder },
}

impl UnpackedFile {
    /// Writes the best kind of file that works.
    ///
    /// # Errors
    /// The last kind's error if none works.
    pub(crate) fn new(bytes: &[u8]) -> io::Result<Self> {
        memfd(bytes)
            .or_else(|_| in_temporary_folder(|folder| unnamed(folder, bytes)))
            .or_else(|_| in_temporary_folder(|folder| private(folder, bytes)))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives an open file its path in /proc.
    fn of_open_file(file: File) -> io::Result<Self> {
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        if path.metadata()?.len() != file.metadata()?.len() {
            return Err(ErrorKind::InvalidData.into());
        }
        Ok(Self { path, _owner: Owner::OpenFile { _file: file } })
    }
}

/// Writes a sealed memfd, which nobody can change.
fn memfd(bytes: &[u8]) -> io::Result<UnpackedFile> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know NOEXEC_SEAL; later ones require it if vm.memfd_noexec is 2.
    let fd = match rustix::fs::memfd_create("btfgen", flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => rustix::fs::memfd_create("btfgen", flags)?,
        result => result?,
    };
    let mut file = File::from(fd);
    file.write_all(bytes)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    UnpackedFile::of_open_file(file)
}

/// Writes a file without a name, for kernels without memfd.
fn unnamed(folder: &Path, bytes: &[u8]) -> io::Result<UnpackedFile> {
    let flags = OFlags::TMPFILE.bits() as i32;
    let mut file = OpenOptions::new().read(true).write(true).mode(0o600).custom_flags(flags).open(folder)?;
    file.write_all(bytes)?;
    UnpackedFile::of_open_file(file)
}

/// Writes a file of mode 0600 in a new folder of mode 0700, where nobody else can replace it; for hosts without /proc.
fn private(folder: &Path, bytes: &[u8]) -> io::Result<UnpackedFile> {
    let folder = PrivateFolder::new_in(folder)?;
    let path = folder.file();
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?.write_all(bytes)?;
    Ok(UnpackedFile { path, _owner: Owner::Folder { _folder: folder } })
}

/// A folder of one file, both removed on drop, but not by a forked child.
#[derive(Debug)]
struct PrivateFolder {
    path: PathBuf,
    process: u32,
}

impl PrivateFolder {
    fn new_in(parent: &Path) -> io::Result<Self> {
        let create = |path: &Path| DirBuilder::new().mode(0o700).create(path);
        let (path, ()) = under_free_name(&parent.join("btfgen"), create)?;
        Ok(Self { path, process: std::process::id() })
    }

    fn file(&self) -> PathBuf {
        self.path.join("vmlinux.btf")
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        if std::process::id() == self.process {
            let _ = fs::remove_file(self.file());
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// Creates a file or folder under the first name that is free of `<prefix>-<process>-<number>`, and returns its path.
pub(crate) fn under_free_name<T>(
    prefix: &Path,
    create: impl Fn(&Path) -> io::Result<T>,
) -> io::Result<(PathBuf, T)> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    const ATTEMPTS: u32 = 64;
    for _ in 0..ATTEMPTS {
        let mut path = prefix.as_os_str().to_owned();
        path.push(format!("-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
        let path = PathBuf::from(path);
        match create(&path) {
            // Left behind by another process that had this id.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            result => return result.map(|created| (path, created)),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// Tries the folders for temporary files; those that the environment names only if it is trusted.
fn in_temporary_folder(write: impl Fn(&Path) -> io::Result<UnpackedFile>) -> io::Result<UnpackedFile> {
    let named = ["XDG_RUNTIME_DIR", "TMPDIR"].into_iter().filter_map(environment::trusted).map(PathBuf::from);
    let usual = ["/run", "/dev/shm", "/tmp", "/var/tmp"].map(PathBuf::from);
    let mut result = Err(ErrorKind::NotFound.into());
    for folder in named.chain(usual) {
        result = write(&folder);
        if result.is_ok() {
            break;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn every_kind_has_a_path_that_reads_the_bytes() {
        let bytes = vec![7u8; 100_000];
        let check = |write: fn(&[u8]) -> io::Result<UnpackedFile>| {
            let (one, two) = (write(&bytes).unwrap(), write(b"other").unwrap());
            assert_ne!(one.path(), two.path());
            assert_eq!(fs::read(one.path()).unwrap(), bytes, "{one:?}");
            assert_eq!(fs::read(two.path()).unwrap(), b"other", "{two:?}");
            let path = one.path().to_owned();
            std::thread::scope(|scope| {
                scope.spawn(|| assert_eq!(fs::read(&path).unwrap(), bytes));
            });
        };
        check(memfd);
        check(|bytes| in_temporary_folder(|folder| unnamed(folder, bytes)));
        check(|bytes| in_temporary_folder(|folder| private(folder, bytes)));
    }

    #[test]
    fn a_memfd_is_sealed() {
        let unpacked = memfd(b"btf").unwrap();
        let Owner::OpenFile { _file: file } = &unpacked._owner else { panic!("not a memfd") };
        let seals = rustix::fs::fcntl_get_seals(file).unwrap();
        assert!(seals.contains(SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL));
        assert!((&*file).write_all(b"x").is_err());
        // The seals hold for a file that is opened again, too.
        let reopened = OpenOptions::new().write(true).open(unpacked.path());
        assert!(reopened.and_then(|mut file| file.write_all(b"x")).is_err());
        assert_eq!(fs::read(unpacked.path()).unwrap(), b"btf");
    }

    #[test]
    fn names_in_use_are_skipped() {
        let prefix = Path::new("folder/file");
        let tried = std::cell::RefCell::new(Vec::new());
        let create = |path: &Path| {
            tried.borrow_mut().push(path.to_owned());
            if tried.borrow().len() < 3 { Err(ErrorKind::AlreadyExists.into()) } else { Ok(7) }
        };
        let (path, created) = under_free_name(prefix, create).unwrap();
        assert_eq!((tried.borrow().len(), tried.borrow().last(), created), (3, Some(&path), 7));
        assert_eq!(path.parent(), prefix.parent());
        let in_use = |_: &Path| -> io::Result<()> { Err(ErrorKind::AlreadyExists.into()) };
        assert_eq!(under_free_name(prefix, in_use).unwrap_err().kind(), ErrorKind::AlreadyExists);
        let denied = |_: &Path| -> io::Result<()> { Err(ErrorKind::PermissionDenied.into()) };
        assert_eq!(under_free_name(prefix, denied).unwrap_err().kind(), ErrorKind::PermissionDenied);
    }

    #[test]
    fn a_private_file_is_private_and_removed() {
        let unpacked = in_temporary_folder(|folder| private(folder, b"btf")).unwrap();
        let file = unpacked.path().to_owned();
        let folder = file.parent().unwrap().to_owned();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&folder)), (0o600, 0o700));
        drop(unpacked);
        assert!(!file.exists() && !folder.exists());
    }
}
