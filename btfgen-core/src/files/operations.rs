//! Operations on files: errors name the path, and writes touch only what changed.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::error::FileError;

/// Reads a whole file.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(FileError::on("read file", path))
}

/// Reads a whole file of UTF-8 text.
pub fn read_to_string(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(FileError::on("read file", path))
}

/// Creates a folder and its parents.
pub fn create_dir_all(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(FileError::on("create folder", path))
}

/// Removes a file.
pub fn remove_file(path: &Path) -> Result<(), FileError> {
    fs::remove_file(path).map_err(FileError::on("remove file", path))
}

/// The names in a folder, sorted, whatever the file system's order.
pub fn read_dir(path: &Path) -> Result<Vec<OsString>, FileError> {
    let entries = fs::read_dir(path).map_err(FileError::on("read folder", path))?;
    let mut names: Vec<_> = entries
        .map(|entry| Ok(entry?.file_name()))
        .collect::<io::Result<_>>()
        .map_err(FileError::on("read folder", path))?;
    names.sort();
    Ok(names)
}

/// Writes a file unless it already holds these bytes; returns whether it did.
///
/// Readers see the old or the new bytes, never a part: they go to a temporary name that is renamed.
pub fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<bool, FileError> {
    let same = fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == bytes.len() as u64);
    if same && fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    write(path, bytes)?;
    Ok(true)
}

/// Removes a file if there is one.
pub fn remove_file_if_present(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FileError::on("remove file", path)(error))
        }
        _ => Ok(()),
    }
}

/// Writes a file through a temporary file next to it, which is renamed.
///
/// # Errors
/// When the folder cannot be created or the file cannot be written; an old file is then unchanged.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        create_dir_all(folder)?;
    }
    let write = || {
        // Readable by all that the umask allows, not by the owner alone as temporary files usually are.
        let mode = Permissions::from_mode(0o666);
        let mut file = tempfile::Builder::new()
            .prefix(".")
            .suffix(TEMPORARY_SUFFIX)
            .permissions(mode)
            .tempfile_in(folder.unwrap_or(Path::new(".")))?;
        file.write_all(bytes)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(FileError::on("write file", path))
}

/// End of temporary files' names.
const TEMPORARY_SUFFIX: &str = ".tmp";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::testing::TempDir;

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
