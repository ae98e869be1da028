//! Errors of reading what a program embeds: the archive and the eBPF object.

use std::fmt;

/// Error of reading an archive or one blob of it.
///
/// ```
/// use btfgen_runtime::{Archive, ArchiveError};
///
/// assert_eq!(Archive::open(b"\x7fELF").err(), Some(ArchiveError::NotAnArchive));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The bytes do not start with the magic number.
    NotAnArchive,
    /// The version of the layout is not supported.
    Version(u8),
    /// The bytes are truncated, or the archive is followed by other bytes.
    WrongLength,
    /// This part of the index is malformed.
    Index(&'static str),
    /// The definitions that blobs are assembled from are malformed.
    Definitions,
    /// The blob with this number is missing or malformed.
    Blob(usize),
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("archive of minimized BTFs: ")?;
        match self {
            Self::NotAnArchive => f.write_str("not an archive"),
            Self::Version(version) => write!(
                f,
                "layout version {version} is not supported; build with btfgen-build of the same version as btfgen-runtime"
            ),
            Self::WrongLength => f.write_str("wrong length: truncated, or followed by other bytes"),
            Self::Index(part) => write!(f, "malformed index ({part})"),
            Self::Definitions => f.write_str("malformed definitions"),
            Self::Blob(number) => write!(f, "malformed blob {number}"),
        }
    }
}

impl std::error::Error for ArchiveError {}

/// Error of computing an eBPF object's digest; see [`ObjectDigest::of`](crate::ObjectDigest::of).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObjectError {
    /// The bytes are not an ELF file, or are malformed.
    Elf,
    /// The object has no `.BTF` section.
    NoBtf,
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("eBPF object: ")?;
        f.write_str(match self {
            Self::Elf => "not an ELF file, or malformed",
            Self::NoBtf => "no .BTF section; compile it with -g",
        })
    }
}

impl std::error::Error for ObjectError {}
