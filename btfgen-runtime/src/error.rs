//! Errors: one type a task, each naming what it was about.

use std::fmt;

/// Why an archive, or one blob of it, cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The bytes do not begin like an archive.
    NotAnArchive,
    /// The archive has a layout that this crate does not know.
    Version(u8),
    /// The bytes end early.
    Truncated,
    /// The index is damaged; the text names its part.
    Index(&'static str),
    /// The blob of this number is missing or damaged.
    Blob(usize),
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("archive of minimized btfs: ")?;
        match self {
            Self::NotAnArchive => f.write_str("not an archive"),
            Self::Version(version) => write!(f, "unknown layout version {version}"),
            Self::Truncated => f.write_str("truncated"),
            Self::Index(part) => write!(f, "damaged index ({part})"),
            Self::Blob(number) => write!(f, "damaged blob {number}"),
        }
    }
}

impl std::error::Error for ArchiveError {}
