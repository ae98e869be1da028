//! BTF files: mapped into memory, in the form that their name tells, unpacked.

use std::fs::File;
use std::io::{self, Read};
use std::ops::{Deref, Range};
use std::path::Path;

use super::{FileError, HubError};
use crate::hub::{Form, MAX_BTF_LEN, btf_range, unpack};

/// A BTF file's bytes: mapped into memory, or owned.
#[derive(Debug)]
pub struct Bytes {
    repr: Repr,
    /// The BTF within them, which may be a section of an ELF file.
    range: Range<usize>,
}

#[derive(Debug)]
enum Repr {
    Mapped(memmap2::Mmap),
    Owned(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let bytes: &[u8] = match &self.repr {
            Repr::Mapped(map) => map,
            Repr::Owned(bytes) => bytes,
        };
        bytes.get(self.range.clone()).unwrap_or_default()
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self { range: 0..bytes.len(), repr: Repr::Owned(bytes) }
    }
}

/// Reads a BTF file in the form that its name tells; a name that tells none is read as plain BTF.
///
/// Of an ELF file, such as a kernel's `vmlinux`, it is the section `.BTF`. A plain file is mapped, not copied: it must
/// not be cut short while it is in use.
///
/// # Errors
/// When the file cannot be read, or not be unpacked within [`MAX_BTF_LEN`], or is ELF without a section `.BTF`; the
/// error names the file.
pub fn read_btf(path: &Path) -> Result<Bytes, HubError> {
    let malformed = |source| HubError::Codec { file: path.to_owned(), source };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let form = Form::split(&name).map_or(Form::Plain, |(_, form)| form);
    let mut bytes = map(path)?;
    if form != Form::Plain {
        bytes = unpack(&bytes, form).map_err(malformed)?.into();
    }
    bytes.range = btf_range(&bytes).map_err(malformed)?;
    Ok(bytes)
}

/// Maps a file; what cannot be mapped, such as a pipe, an empty file or one in sysfs on most kernels, is read.
fn map(path: &Path) -> Result<Bytes, FileError> {
    let on = |action| FileError::on(action, path);
    let file = File::open(path).map_err(on("open file"))?;
    let meta = file.metadata().map_err(on("read file"))?;
    if meta.is_file() && meta.len() > 0 {
        // SAFETY: a map is undefined behaviour when the file is written to under it. BTFs are inputs of a build,
        // like its sources: tools replace such files by rename, which does not change the mapped file. Writing in
        // place races with the build in any case. Mapping a tree of raw BTFs takes half the time of reading it.
        if let Ok(map) = unsafe { memmap2::Mmap::map(&file) } {
            return Ok(Bytes { range: 0..map.len(), repr: Repr::Mapped(map) });
        }
    }
    let mut bytes = Vec::new();
    let read = file.take(MAX_BTF_LEN + 1).read_to_end(&mut bytes).map_err(on("read file"))?;
    if read as u64 > MAX_BTF_LEN {
        return Err(on("read file")(io::Error::other(format!("it is longer than {MAX_BTF_LEN} bytes"))));
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    #[cfg(feature = "packed")]
    use std::io::Write;

    use super::*;
    use crate::files::testing::TempDir;
    use crate::hub::CodecError;

    const BTF: &[u8] = b"\x9f\xeb\x01\0 a BTF, as far as this module cares";

    /// An error and its cause.
    fn chain(error: &HubError) -> String {
        error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
    }

    #[test]
    fn reads_files_and_names_them() {
        let dir = TempDir::new();
        let check = |name: &str, bytes: &[u8]| {
            let path = dir.file(name, bytes);
            assert_eq!(&*read_btf(&path).unwrap(), BTF, "{name}");
        };
        check("a.btf", BTF);
        check("a.btf.zst", &zstd::encode_all(BTF, 3).unwrap());
        check("vmlinux", BTF);
        assert_eq!(read_btf(&dir.file("empty.btf", b"")).unwrap().len(), 0);

        let error = read_btf(&dir.file("b.btf.zst", b"oops")).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("cannot read BTF from ") && text.ends_with("/b.btf.zst"), "{text}");
        let cause = error.source().unwrap().downcast_ref();
        assert!(matches!(cause, Some(CodecError::Stream { format: "zstd", .. })), "{cause:?}");
        let error = read_btf(&dir.path().join("none.btf")).unwrap_err();
        assert!(chain(&error).contains("/none.btf: "), "{}", chain(&error));
    }

    #[cfg(feature = "packed")]
    #[test]
    fn reads_the_form_of_the_btfhub_archive() {
        let mut header = tar::Header::new_gnu();
        header.set_size(BTF.len() as u64);
        let mut tar = tar::Builder::new(Vec::new());
        tar.append_data(&mut header, "5.4.0-84-generic.btf", BTF).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
        xz.write_all(&tar.into_inner().unwrap()).unwrap();
        let dir = TempDir::new();
        let path = dir.file("a.btf.tar.xz", xz.finish().unwrap());
        assert_eq!(&*read_btf(&path).unwrap(), BTF);
    }

    #[test]
    fn reads_what_cannot_be_mapped() {
        // A kernel file system: the files of sysfs and proc have no pages to map.
        let path = Path::new("/proc/self/status");
        if path.exists() {
            assert!(read_btf(path).unwrap().starts_with(b"Name:"));
        }
        let own = Path::new("/sys/kernel/btf/vmlinux");
        if own.exists() {
            assert_eq!(*read_btf(own).unwrap(), *std::fs::read(own).unwrap());
        }
        let error = read_btf(Path::new("/dev/zero")).unwrap_err();
        assert!(chain(&error).contains("longer than"), "{}", chain(&error));
    }
}
