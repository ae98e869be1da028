//! Package: a kernel package of either format, and the kernel id that its metadata tells.

use std::io::Read;
use std::ops::ControlFlow;

use btfgen_runtime::KernelId;

use super::codec::read_up_to;
use super::image::{self, IMAGE_LIMIT};
use super::{VendorError, deb, rpm};

/// Most bytes that a package unpacks to; debug packages with all modules have about 6 GB.
pub(crate) const PACKAGE_LIMIT: u64 = 16 << 30;

/// What a package's metadata says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// `deb` or `rpm`.
    pub format: &'static str,
    /// Name of the package.
    pub name: String,
    /// Version of the package, with the distribution's revision.
    pub version: String,
    /// Architecture as the distribution calls it.
    pub arch: String,
    /// Who made it: Debian's maintainer; vendor and distribution of an RPM.
    pub vendor: String,
}

/// A regular file met in a package, its content still unread.
pub(crate) struct Entry<'a> {
    /// Path in the package, without a leading slash.
    pub(crate) path: &'a str,
    /// Size in bytes.
    pub(crate) size: u64,
    /// The file; what is left unread of it is skipped.
    pub(crate) content: &'a mut dyn Read,
}

/// Called with each regular file, until it breaks.
pub(crate) type Visit<'v> = dyn FnMut(&Metadata, Entry<'_>) -> Result<ControlFlow<()>, VendorError> + 'v;

/// The kernel image found in a package, its content still unread.
pub struct KernelFile<'a> {
    /// Path in the package, without a leading slash.
    pub path: &'a str,
    /// The kernel's release, from the path.
    pub release: &'a str,
    /// Size in bytes.
    pub size: u64,
    /// The file.
    pub content: &'a mut dyn Read,
}

/// A kernel taken out of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackagedKernel {
    /// What the package says of itself.
    pub metadata: Metadata,
    /// The kernel's release, from the path of the image.
    pub release: String,
    /// The image's path in the package.
    pub path: String,
    /// The image.
    pub image: Vec<u8>,
}

/// Reads a `.deb` or `.rpm` stream up to the end of its first kernel image.
///
/// # Errors
/// When the package is damaged, holds no image, or one larger than [`IMAGE_LIMIT`].
pub fn read_kernel<R: Read>(package: R) -> Result<PackagedKernel, VendorError> {
    read_image(package, |metadata, file| {
        let too_large = || VendorError::TooLarge { what: file.path.to_owned(), limit: IMAGE_LIMIT };
        if file.size > IMAGE_LIMIT {
            return Err(too_large());
        }
        let mut image = Vec::new();
        file.content.take(IMAGE_LIMIT).read_to_end(&mut image).map_err(VendorError::read(file.path))?;
        if (image.len() as u64) < file.size {
            let source = std::io::ErrorKind::UnexpectedEof.into();
            return Err(VendorError::Read { what: file.path.to_owned(), source });
        }
        let (release, path) = (file.release.to_owned(), file.path.to_owned());
        Ok(PackagedKernel { metadata: metadata.clone(), release, path, image })
    })
}

/// Reads a `.deb` or `.rpm` stream up to its first kernel image and hands that to `visit`.
///
/// The stream is not read further than `visit` reads the image.
///
/// # Errors
/// When the package is damaged or holds no image, and whatever `visit` answers.
pub fn read_image<R: Read, T>(
    package: R,
    visit: impl FnOnce(&Metadata, KernelFile<'_>) -> Result<T, VendorError>,
) -> Result<T, VendorError> {
    let mut visit = Some(visit);
    let mut found = None;
    let metadata = walk(package, &mut |metadata, Entry { path, size, content }| {
        let Some(release) = image_release(path).filter(|_| size > 0) else {
            return Ok(ControlFlow::Continue(()));
        };
        if let Some(visit) = visit.take() {
            found = Some(visit(metadata, KernelFile { path, release, size, content })?);
        }
        Ok(ControlFlow::Break(()))
    })?;
    found.ok_or(VendorError::NoImage { package: metadata.name })
}

/// Reads a package up to the file at which `visit` breaks; the package's format is told by its first bytes.
pub(crate) fn walk<R: Read>(mut package: R, visit: &mut Visit<'_>) -> Result<Metadata, VendorError> {
    let mut head = [0; 8];
    let len = read_up_to(&mut package, &mut head).map_err(VendorError::read("the package"))?;
    let head = head.get(..len).unwrap_or_default();
    let whole = head.chain(package);
    if head.starts_with(rpm::MAGIC) { rpm::walk(whole, visit) } else { deb::walk(whole, visit) }
}

/// Whether a file that starts with `head` is a package.
pub(crate) fn is_package(head: &[u8]) -> bool {
    head.starts_with(deb::MAGIC) || head.starts_with(rpm::MAGIC)
}

impl Metadata {
    /// The file name that a distribution's archive gives this package.
    pub fn file_name(&self) -> String {
        let Self { name, version, arch, .. } = self;
        match self.format {
            "rpm" => format!("{name}-{version}.{arch}.rpm"),
            _ => format!("{name}_{version}_{arch}.deb"),
        }
    }
}

impl PackagedKernel {
    /// The BTF in the image.
    ///
    /// # Errors
    /// As [`image::find_btf`].
    pub fn btf(&self) -> Result<Vec<u8>, VendorError> {
        image::find_btf(&self.image)
    }

    /// The kernel's id, see [`kernel_id`].
    ///
    /// # Errors
    /// As [`kernel_id`].
    pub fn id(&self) -> Result<KernelId, VendorError> {
        kernel_id(&self.metadata, &self.release)
    }
}

/// The release of the kernel whose image has this path in a package, without a leading slash.
pub(crate) fn image_release(path: &str) -> Option<&str> {
    let path = path.strip_prefix("usr/lib/debug/").unwrap_or(path);
    let named = |release: &str| !release.is_empty() && !release.contains('/');
    if let Some(file) = path.strip_prefix("boot/") {
        // SUSE calls it Image on arm64 and image on s390x, ppc64 has an uncompressed vmlinux.
        return ["vmlinuz-", "vmlinux-", "Image-", "image-", "zImage-"]
            .iter()
            .find_map(|prefix| file.strip_prefix(prefix))
            .map(|release| release.trim_end_matches(".gz").trim_end_matches(".xz"))
            .filter(|release| named(release));
    }
    let path = path.strip_prefix("usr/").unwrap_or(path);
    let (release, file) = path.strip_prefix("lib/modules/")?.split_once('/')?;
    let is_image = matches!(
        file,
        "vmlinuz"
            | "vmlinuz.unsigned"
            | "vmlinux"
            | "Image"
            | "image"
            | "zImage"
            | "vmlinux.gz"
            | "vmlinux.xz"
    );
    (is_image && named(release)).then_some(release)
}

/// The kernel id that a package's metadata and the release in its image's path tell.
///
/// Debian's version is told by the `deb12` or `bpo12` in the package's version or the release, else by the kernel
/// series that the release was made with.
///
/// # Errors
/// When distribution, version or architecture is none that is known.
pub fn kernel_id(metadata: &Metadata, release: &str) -> Result<KernelId, VendorError> {
    let unknown = |what: &str, value: &str| VendorError::UnknownId {
        message: format!("package {} has {what} {value:?}", metadata.name),
    };
    let arch = arch(&metadata.arch).ok_or_else(|| unknown("architecture", &metadata.arch))?;
    let told = match metadata.format {
        "deb" => deb_distro(metadata, release),
        _ => rpm_distro(metadata),
    };
    let (distro, version) =
        told.ok_or_else(|| unknown("no known distribution and version", &metadata.version))?;
    Ok(KernelId::new(distro, &version, arch, release)?)
}

/// The archive's name of an architecture, from Debian's, RPM's or `uname`'s.
pub fn arch(name: &str) -> Option<&'static str> {
    Some(match name {
        "amd64" | "x86_64" => "x86_64",
        "arm64" | "aarch64" => "arm64",
        "ppc64el" | "ppc64le" => "ppc64le",
        "s390x" => "s390x",
        "i386" | "i586" | "i686" => "x86",
        "armhf" | "armel" | "armv7l" | "armv7hl" => "arm",
        "riscv64" => "riscv64",
        "loong64" | "loongarch64" => "loongarch64",
        _ => return None,
    })
}

fn deb_distro(metadata: &Metadata, release: &str) -> Option<(&'static str, String)> {
    let series = |table: &[(&str, &str)]| {
        let found = table.iter().find(|(series, _)| {
            metadata.version.strip_prefix(series).is_some_and(|rest| rest.starts_with(['.', '-']))
        });
        found.map(|(_, version)| (*version).to_owned())
    };
    if metadata.vendor.to_lowercase().contains("ubuntu") || metadata.version.contains("ubuntu") {
        // Backported builds name the release: `5.4.0-84.94~18.04.1`.
        let version = metadata
            .version
            .split_once('~')
            .and_then(|(_, rest)| rest.get(..5))
            .filter(|rest| rest.as_bytes().get(2) == Some(&b'.'))
            .map(str::to_owned)
            .or_else(|| {
                series(&[
                    ("4.4", "16.04"),
                    ("4.15", "18.04"),
                    ("5.4", "20.04"),
                    ("5.15", "22.04"),
                    ("6.8", "24.04"),
                ])
            })?;
        return Some(("ubuntu", version));
    }
    let version = number_after(&metadata.version, &["+deb", "~deb", "~bpo"])
        .or_else(|| number_after(release, &["+deb", "~deb", "~bpo"]))
        .or_else(|| series(&[("4.9", "9"), ("4.19", "10"), ("5.10", "11"), ("6.1", "12"), ("6.12", "13")]))?;
    Some(("debian", version))
}

fn rpm_distro(metadata: &Metadata) -> Option<(&'static str, String)> {
    let vendor = metadata.vendor.to_lowercase();
    let version = &metadata.version;
    if version.contains(".amzn") {
        return Some(("amzn", number_after(version, &[".amzn"])?));
    }
    if version.contains(".fc") {
        return Some(("fedora", number_after(version, &[".fc"])?));
    }
    if vendor.contains("suse") {
        return suse_version(&vendor);
    }
    let distro = [
        ("oracle", "ol"),
        ("red hat", "rhel"),
        ("centos", "centos"),
        ("rocky", "rocky"),
        ("almalinux", "almalinux"),
    ]
    .into_iter()
    .find_map(|(name, distro)| vendor.contains(name).then_some(distro))?;
    Some((distro, number_after(version, &[".el"])?))
}

/// From a distribution such as `SUSE Linux Enterprise 12 SP5` or `openSUSE Leap 15.3`.
fn suse_version(vendor: &str) -> Option<(&'static str, String)> {
    if let Some(leap) = vendor.split_once("leap ") {
        let end = leap.1.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(leap.1.len());
        return Some(("opensuse-leap", leap.1.get(..end).filter(|v| !v.is_empty())?.to_owned()));
    }
    let major = number_after(vendor, &["linux enterprise "])?;
    Some(match number_after(vendor, &[" sp", "-sp"]) {
        Some(pack) => ("sles", format!("{major}.{pack}")),
        None => ("sles", major),
    })
}

/// The number that follows the first of `marks` that is followed by one.
fn number_after(text: &str, marks: &[&str]) -> Option<String> {
    marks.iter().find_map(|mark| {
        let (_, rest) = text.split_once(mark)?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end).filter(|number| !number.is_empty()).map(str::to_owned)
    })
}

#[cfg(test)]
mod tests;
