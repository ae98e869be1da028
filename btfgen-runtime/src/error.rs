//! Errors: one type a task, each naming what it was about.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::{Host, ObjectDigest, Refusal, Step, loader};

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

/// Why an eBPF object has no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObjectError {
    /// The bytes are no ELF file, or a damaged one.
    Elf,
    /// It has no section `.BTF`.
    NoBtf,
    /// Its section `.BTF` is damaged.
    Btf,
    /// Its section `.BTF.ext` is damaged.
    BtfExt,
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ebpf object: ")?;
        f.write_str(match self {
            Self::Elf => "not a readable elf file",
            Self::NoBtf => "no section .BTF",
            Self::Btf => "damaged section .BTF",
            Self::BtfExt => "damaged section .BTF.ext",
        })
    }
}

impl std::error::Error for ObjectError {}

/// An archive that was not made for an object.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stale {
    /// The digest of the object to be loaded.
    pub object: ObjectDigest,
    /// The digests of the objects that the archive was made for.
    pub archive: Vec<ObjectDigest>,
    /// What `{}` prints, put together beforehand: programs that name no object do not contain how.
    pub(crate) text: String,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Stale {}

/// Why there is no BTF for the host.
///
/// `{:?}` says the same as `{}`, with the cause: it is what a `main` that returns the error prints.
#[non_exhaustive]
pub enum Error {
    /// No source has a BTF known to be the host kernel's; an app may go on without.
    NotFound(Box<NotFound>),
    /// The override file was named, but cannot be used.
    Override {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The embedded archive is damaged.
    Archive(ArchiveError),
    /// The embedded archive was made for other objects than the one that is to be loaded.
    Stale(Box<Stale>),
    /// The object that is to be loaded cannot be read.
    Object(ObjectError),
    /// The BTF was found, but no file could be made of it for libbpf.
    HandOver(io::Error),
}

/// A search that found nothing.
#[non_exhaustive]
pub struct NotFound {
    /// The host, as it was read or given.
    pub host: Host,
    /// The sources that were asked, in order.
    pub steps: Vec<Step>,
    /// Why the last folder, tree or archive had no entry, with the nearest kernel ids; `None` when none was asked.
    pub refusal: Option<Refusal>,
}

impl NotFound {
    /// The steps as text, a line each.
    pub fn explain(&self) -> String {
        loader::explain(&self.steps)
    }
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Host { release, version, machine, .. } = &self.host;
        write!(f, "no btf for kernel {release} ({version}, {machine})")?;
        match &self.refusal {
            Some(refusal) => write!(f, ": {refusal}"),
            None => f.write_str(": nothing to choose from"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(missing) => missing.fmt(f),
            Self::Override { path, .. } => write!(f, "override btf file {}", path.display()),
            Self::Archive(error) => error.fmt(f),
            Self::Stale(error) => f.write_str(&error.text),
            Self::Object(error) => error.fmt(f),
            Self::HandOver(_) => f.write_str("no file can be made for the loader"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        match self {
            Self::Override { source, .. } | Self::HandOver(source) => write!(f, ": {source}"),
            Self::NotFound(_) | Self::Archive(_) | Self::Stale(_) | Self::Object(_) => Ok(()),
        }
    }
}

impl fmt::Debug for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Override { source, .. } | Self::HandOver(source) => Some(source),
            Self::NotFound(_) | Self::Archive(_) | Self::Stale(_) | Self::Object(_) => None,
        }
    }
}

impl std::error::Error for NotFound {}
