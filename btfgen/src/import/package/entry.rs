//! Entry: a package's metadata, and one of its files while the package is read as a stream.

use std::io::Read;
use std::ops::ControlFlow;

use crate::import::error::ImportError;
use crate::import::package_format::PackageFormat;

/// Most bytes that a package unpacks to; debug packages with all modules have about 6 GB.
pub(super) const PACKAGE_LIMIT: u64 = 16 << 30;
/// Most bytes of a file name in a package.
pub(super) const NAME_LIMIT: u64 = 64 << 10;
/// Most files of a package that are read.
pub(super) const MAX_FILES: usize = 100_000;

/// A package's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The package's format.
    pub format: PackageFormat,
    /// Name of the package.
    pub name: String,
    /// Version of the package, with the distribution's revision.
    pub version: String,
    /// Architecture, by the distribution's name.
    pub arch: String,
    /// Who made it: Debian's maintainer; vendor and distribution of an RPM.
    pub vendor: String,
}

impl Metadata {
    /// The package's file name in a distribution's archive.
    pub fn file_name(&self) -> String {
        let Self { name, version, arch, .. } = self;
        match self.format {
            PackageFormat::Rpm => format!("{name}-{version}.{arch}.rpm"),
            PackageFormat::Deb => format!("{name}_{version}_{arch}.deb"),
        }
    }
}

/// A regular file of a package, its content still unread.
pub(crate) struct Entry<'a> {
    /// Path in the package, without a leading slash.
    pub(crate) path: &'a str,
    /// Size in bytes.
    pub(crate) size: u64,
    /// The file; unread bytes are skipped.
    pub(crate) content: &'a mut dyn Read,
}

impl Entry<'_> {
    /// Reads the file into memory.
    pub(crate) fn read(self, limit: u64) -> Result<Vec<u8>, ImportError> {
        if self.size > limit {
            return Err(ImportError::TooLarge { what: self.path.to_owned(), limit });
        }
        let mut bytes = Vec::new();
        self.content.take(self.size).read_to_end(&mut bytes).map_err(ImportError::read(self.path))?;
        if (bytes.len() as u64) < self.size {
            return Err(ImportError::read(self.path)(std::io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(bytes)
    }
}

/// Called with each regular file, until it breaks.
pub(crate) type Visit<'v> = dyn FnMut(&Metadata, Entry<'_>) -> Result<ControlFlow<()>, ImportError> + 'v;
