//! Digest: a hash of an object's types and relocations, so that an archive made for another object is noticed.

use std::fmt;
use std::io;

use crate::elf;
use crate::error::ObjectError;
use crate::hash::Fnv;

/// A 64-bit hash of the sections `.BTF` and `.BTF.ext` of an eBPF object.
///
/// It tells whether the build was run again after the object changed. It does not protect against an attacker: who can
/// change the object can change the archive.
///
/// ```no_run
/// let object = std::fs::read("program.bpf.o")?;
/// println!("{}", btfgen_runtime::ObjectDigest::of(&object)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectDigest([u8; Self::LEN]);

impl ObjectDigest {
    /// Length in bytes.
    pub const LEN: usize = 8;

    /// The digest of a compiled eBPF object: FNV-1a, 64 bits, of the bytes of `.BTF` and then those of `.BTF.ext`, if
    /// there are any.
    ///
    /// What the sections contain is not looked at.
    ///
    /// # Errors
    /// When the bytes are not an ELF file, or have no section `.BTF`.
    pub fn of(object: &[u8]) -> Result<Self, ObjectError> {
        let section = |name: &[u8]| match elf::section(&|buffer, offset| fill(object, buffer, offset), name) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(_) => Err(ObjectError::Elf),
        };
        let mut hash = Fnv::new();
        hash.bytes(&section(b".BTF\0")?.ok_or(ObjectError::NoBtf)?);
        hash.bytes(&section(b".BTF.ext\0")?.unwrap_or_default());
        Ok(Self(hash.finish().to_be_bytes()))
    }

    /// The digest of these bytes, such as [`ObjectDigest::to_bytes`] gave.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Its bytes, as an archive holds them.
    pub const fn to_bytes(self) -> [u8; Self::LEN] {
        self.0
    }
}

impl fmt::Display for ObjectDigest {
    /// 16 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for ObjectDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Fills a buffer from an offset of a file's bytes.
fn fill(file: &[u8], buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let rest = usize::try_from(offset).ok().and_then(|start| file.get(start..));
    let part = rest.and_then(|rest| rest.get(..buffer.len())).ok_or(io::ErrorKind::UnexpectedEof)?;
    buffer.copy_from_slice(part);
    Ok(())
}
