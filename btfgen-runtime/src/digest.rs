//! Digest: a hash of an object's types and relocations, to detect an archive that was built for another object.

use std::fmt;
use std::io;

use crate::elf;
use crate::error::ObjectError;
use crate::hash::fnv1a;

/// A 64-bit hash of the sections `.BTF` and `.BTF.ext` of an eBPF object.
///
/// It detects an object that changed after the archive was built. It does not protect against an attacker, who could
/// change the archive as well.
///
/// ```
/// use btfgen_runtime::{Archive, ObjectDigest, ObjectError};
/// # const ARCHIVE: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sample.archive"));
///
/// // The objects that an archive was built for.
/// let digest = Archive::open(ARCHIVE)?.objects().next().unwrap();
/// assert_eq!(digest.to_string().len(), 2 * ObjectDigest::LEN);
/// assert_eq!(digest, ObjectDigest::from_bytes(digest.to_bytes()));
///
/// assert_eq!(ObjectDigest::of(b"not an object"), Err(ObjectError::Elf));
/// # Ok::<(), btfgen_runtime::ArchiveError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectDigest([u8; Self::LEN]);

impl ObjectDigest {
    /// Length in bytes.
    pub const LEN: usize = 8;

    /// The digest of a compiled eBPF object: the 64-bit FNV-1a hash of `.BTF` followed by `.BTF.ext`, if it has one.
    ///
    /// The sections are not parsed.
    ///
    /// # Errors
    /// If the bytes are not an ELF file, or have no section `.BTF`.
    pub fn of(object: &[u8]) -> Result<Self, ObjectError> {
        let section = |name: &[u8]| match elf::section_of_bytes(object, name) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(_) => Err(ObjectError::Elf),
        };
        let btf = section(b".BTF\0")?.ok_or(ObjectError::NoBtf)?;
        let btf_ext = section(b".BTF.ext\0")?.unwrap_or_default();
        Ok(Self(fnv1a(&[btf, btf_ext].concat()).to_be_bytes()))
    }

    /// The digest that [`ObjectDigest::to_bytes`] returned as bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes, as stored in an archive.
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
