//! Kernel id: the id of a package's kernel, from the package's metadata and the image's path.

use btfgen_runtime::{KernelId, hub_arch};

use super::entry::Metadata;
use crate::import::error::ImportError;
use crate::import::package_format::PackageFormat;

/// The release of the kernel whose image has this path in a package, without a leading slash.
pub(super) fn image_release(path: &str) -> Option<&str> {
    let path = path.strip_prefix("usr/lib/debug/").unwrap_or(path);
    let named = |release: &str| !release.is_empty() && !release.contains('/');
    if let Some(file) = path.strip_prefix("boot/") {
        // SUSE calls it Image on arm64 and image on s390x, ppc64 has an uncompressed vmlinux.
        return ["vmlinuz-", "vmlinux-", "Image-", "image-", "zImage-"]
            .iter()
            .find_map(|prefix| file.strip_prefix(prefix))
            // SUSE's debug symbols end in `.debug`.
            .map(|release| release.trim_end_matches(".debug"))
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

/// The kernel id of a package's kernel: from the metadata, and the release in the image's path.
///
/// Debian's version is the number in `deb12` or `bpo12` in the package's version or the release, else that of the
/// Debian release with this kernel series.
///
/// # Errors
/// When the distribution, its version or the architecture is unknown.
pub fn kernel_id(metadata: &Metadata, release: &str) -> Result<KernelId, ImportError> {
    let arch = hub_arch(&metadata.arch).ok_or_else(|| ImportError::UnknownId {
        message: format!("package {} has unknown architecture {:?}", metadata.name, metadata.arch),
    })?;
    let distro = match metadata.format {
        PackageFormat::Deb => deb_distro(metadata, release),
        PackageFormat::Rpm => rpm_distro(metadata),
    };
    let (distro, version) = distro.ok_or_else(|| {
        let Metadata { name, version, vendor, .. } = metadata;
        ImportError::UnknownId {
            message: format!(
                "package {name} {version} of vendor {vendor:?} is of a distribution without a name in hubs"
            ),
        }
    })?;
    Ok(KernelId::new(distro, &version, arch, release)?)
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

/// The number right after one of `marks`, the first that has one.
fn number_after(text: &str, marks: &[&str]) -> Option<String> {
    marks.iter().find_map(|mark| {
        let (_, rest) = text.split_once(mark)?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end).filter(|number| !number.is_empty()).map(str::to_owned)
    })
}
