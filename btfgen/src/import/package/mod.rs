//! Package: kernel packages of Debian's and RPM's format, read as streams.

mod deb;
mod entry;
mod kernel_id;
mod rpm;

use std::io::Read;
use std::ops::ControlFlow;

use btfgen_runtime::KernelId;

use super::codec::read_up_to;
use super::error::ImportError;
use super::image::{self, IMAGE_LIMIT};
pub(crate) use entry::{Entry, Visit};
use kernel_id::image_release;

pub use deb::paragraph;
pub use entry::Metadata;
pub use kernel_id::kernel_id;

/// A kernel from a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackagedKernel {
    /// The package's metadata.
    pub metadata: Metadata,
    /// The kernel's release, from the image's path.
    pub release: String,
    /// The image's path in the package.
    pub path: String,
    /// The image.
    pub image: Vec<u8>,
}

impl PackagedKernel {
    /// The BTF in the image.
    ///
    /// # Errors
    /// As [`image::find_btf`].
    pub fn btf(&self) -> Result<Vec<u8>, ImportError> {
        Ok(image::find_btf(&self.image)?.btf)
    }

    /// The kernel's id, see [`kernel_id`].
    ///
    /// # Errors
    /// As [`kernel_id`].
    pub fn id(&self) -> Result<KernelId, ImportError> {
        kernel_id(&self.metadata, &self.release)
    }
}

/// Reads a `.deb` or `.rpm` stream up to the end of its first kernel image.
///
/// # Errors
/// When the package is malformed, has no image, or one larger than [`IMAGE_LIMIT`].
pub fn read_kernel<R: Read>(package: R) -> Result<PackagedKernel, ImportError> {
    read_image(package, |metadata, release, file| {
        let (metadata, release, path) = (metadata.clone(), release.to_owned(), file.path.to_owned());
        Ok(PackagedKernel { metadata, release, path, image: file.read(IMAGE_LIMIT)? })
    })
}

/// Reads a `.deb` or `.rpm` stream up to its first kernel image and calls `visit` with the package's metadata, the
/// kernel's release and the image.
///
/// The stream is read only as far as `visit` reads the image.
///
/// # Errors
/// When the package is malformed or has no image, and any error of `visit`.
pub(crate) fn read_image<R: Read, T>(
    package: R,
    visit: impl FnOnce(&Metadata, &str, Entry<'_>) -> Result<T, ImportError>,
) -> Result<T, ImportError> {
    let mut visit = Some(visit);
    let mut found = None;
    let metadata = walk(package, &mut |metadata, file| {
        let Some(release) = image_release(file.path).filter(|_| file.size > 0) else {
            return Ok(ControlFlow::Continue(()));
        };
        if let Some(visit) = visit.take() {
            found = Some(visit(metadata, release, file)?);
        }
        Ok(ControlFlow::Break(()))
    })?;
    found.ok_or(ImportError::NoImage { package: metadata.name })
}

/// Reads a package up to the file at which `visit` breaks; the first bytes select the format.
pub(crate) fn walk<R: Read>(mut package: R, visit: &mut Visit<'_>) -> Result<Metadata, ImportError> {
    let mut head = [0; 8];
    let len = read_up_to(&mut package, &mut head).map_err(ImportError::read("the package"))?;
    let head = head.get(..len).unwrap_or_default();
    let whole = head.chain(package);
    if head.starts_with(rpm::MAGIC) { rpm::walk(whole, visit) } else { deb::walk(whole, visit) }
}

/// Whether a file that starts with `head` is a package.
pub(crate) fn is_package(head: &[u8]) -> bool {
    head.starts_with(deb::MAGIC) || head.starts_with(rpm::MAGIC)
}

#[cfg(test)]
mod tests;
