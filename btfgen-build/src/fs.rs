//! File system: operations whose errors name the path, and writes that touch only what changed.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
#[non_exhaustive]
pub struct FsError {
    /// What was tried, such as `read file`.
    pub action: &'static str,
    /// On which path.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl FsError {
    /// For `map_err`: names the action and the path.
    pub(crate) fn on(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FsError> {
    fs::read(path).map_err(FsError::on("read file", path))
}

/// Reads a whole file of UTF-8 text.
pub(crate) fn read_to_string(path: &Path) -> Result<String, FsError> {
    fs::read_to_string(path).map_err(FsError::on("read file", path))
}

/// Makes a folder and its parents.
pub(crate) fn create_dir_all(path: &Path) -> Result<(), FsError> {
    fs::create_dir_all(path).map_err(FsError::on("create folder", path))
}

/// Removes a file.
pub(crate) fn remove_file(path: &Path) -> Result<(), FsError> {
    fs::remove_file(path).map_err(FsError::on("remove file", path))
}

/// The names in a folder, sorted, so that no order of the file system shows.
pub(crate) fn read_dir(path: &Path) -> Result<Vec<OsString>, FsError> {
    let entries = fs::read_dir(path).map_err(FsError::on("read folder", path))?;
    let mut names: Vec<_> = entries
        .map(|entry| Ok(entry?.file_name()))
        .collect::<io::Result<_>>()
        .map_err(FsError::on("read folder", path))?;
    names.sort();
    Ok(names)
}

/// Writes a file unless it holds these bytes already; whether it wrote.
///
/// Readers see the old or the new bytes, never a part: they go to a temporary name that is renamed.
pub(crate) fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<bool, FsError> {
    let same = fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == bytes.len() as u64);
    if same && fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    write(path, bytes)?;
    Ok(true)
}

/// Removes a file, unless there is none.
pub(crate) fn remove_file_if_there(path: &Path) -> Result<(), FsError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FsError::on("remove file", path)(error)),
        _ => Ok(()),
    }
}

/// Writes a file through a temporary name beside it, which is renamed.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        create_dir_all(folder)?;
    }
    let temporary = temporary_beside(path);
    let written = fs::File::create_new(&temporary)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&temporary, path));
    written.map_err(|source| {
        // The error worth telling is the first; a left-over temporary file is not.
        let _ = fs::remove_file(&temporary);
        FsError { action: "write file", path: path.to_owned(), source }
    })
}

fn temporary_beside(path: &Path) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut name = temporary_start(path);
    name.push(format!("{}.{number}{TEMPORARY_END}", std::process::id()));
    path.with_file_name(name)
}

/// End of temporary names.
const TEMPORARY_END: &str = ".tmp";

/// Beginning of the temporary names of a file.
fn temporary_start(path: &Path) -> OsString {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".");
    name
}

/// Removes what killed writers of a file left beside it; of no use, and no harm but its size.
///
/// Only where nobody else may be writing that file, as in a build script's `OUT_DIR`.
pub(crate) fn remove_left_over(path: &Path) {
    let start = temporary_start(path);
    let folder = path.parent().unwrap_or(path);
    for name in read_dir(folder).unwrap_or_default() {
        let bytes = name.as_encoded_bytes();
        if bytes.starts_with(start.as_encoded_bytes()) && bytes.ends_with(TEMPORARY_END.as_bytes()) {
            let _ = fs::remove_file(folder.join(&name));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A folder of a test's own, removed when dropped.
    pub(crate) struct TempDir(PathBuf);

    impl TempDir {
        pub(crate) fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("btfgen-test-{}-{number}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path.canonicalize().unwrap())
        }

        pub(crate) fn path(&self) -> &Path {
            &self.0
        }

        /// Writes a file, with its folders, and gives its path.
        pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
            let path = self.0.join(name);
            write(&path, bytes.as_ref()).unwrap();
            path
        }
    }

    impl Drop for TempDir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn writes_only_what_changed() {
        let dir = TempDir::new();
        let path = dir.path().join("new/file");
        assert!(write_if_changed(&path, b"one").unwrap());
        let first = fs::metadata(&path).unwrap().modified().unwrap();
        assert!(!write_if_changed(&path, b"one").unwrap());
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), first);
        assert!(write_if_changed(&path, b"two").unwrap());
        assert_eq!(read(&path).unwrap(), b"two");
        assert_eq!(read_dir(&dir.path().join("new")).unwrap(), ["file"]);
    }

    #[test]
    fn removes_what_killed_writers_left() {
        let dir = TempDir::new();
        let path = dir.file("file", "");
        let left = temporary_beside(&path);
        assert_ne!(left, temporary_beside(&path));
        let other = dir.path().join(".files.1.0.tmp");
        fs::write(&left, "half").unwrap();
        fs::write(&other, "").unwrap();
        remove_left_over(&path);
        assert_eq!(read_dir(dir.path()).unwrap(), [".files.1.0.tmp", "file"]);
    }

    #[test]
    fn errors_name_the_path_and_leave_nothing() {
        let dir = TempDir::new();
        fs::create_dir(dir.path().join("folder")).unwrap();
        fs::write(dir.path().join("folder/full"), "").unwrap();
        let error = write(&dir.path().join("folder"), b"bytes").unwrap_err();
        assert!(error.to_string().starts_with("cannot write file "), "{error}");
        assert!(error.to_string().ends_with("/folder"), "{error}");
        assert_eq!(read_dir(dir.path()).unwrap(), ["folder"]);
        let error = read_to_string(&dir.path().join("none")).unwrap_err();
        assert!(error.to_string().ends_with("/none"), "{error}");
    }
}
