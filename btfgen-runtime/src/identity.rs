//! Identity: which of the hub's folders a host's kernel belongs to, by its own words first, os-release after them.

use crate::banner::Banner;
use crate::vendor::{self, Certainty, Reading, Words};
use crate::{Host, KernelId, OsRelease};

/// The distributions that [`vendor`] knows; any other folder of a hub is matched by os-release alone.
const KNOWN: [&str; 9] =
    ["ubuntu", "debian", "rhel", "centos", "ol", "amzn", "sles", "opensuse-leap", "fedora"];
/// Folder of kernels that no distribution made; their version is a hash of `uname -v`.
const CUSTOM: &str = "custom";

/// Who a host's kernel is.
#[derive(Debug)]
pub(crate) struct Identity<'h> {
    host: &'h Host,
    pub(crate) reading: Reading,
    /// What was found, a line each.
    pub(crate) reasons: Vec<String>,
}

/// Whether an entry with the host's release is the host's kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// It is another kernel.
    No,
    /// Nothing speaks against it, nothing proves it.
    Open,
    /// It is.
    Yes,
}

impl<'h> Identity<'h> {
    /// Identifies a host's kernel.
    pub(crate) fn of(host: &'h Host) -> Self {
        let mut reading = vendor::read(&words(host));
        let mut reasons = vec![describe(&reading)];
        let trusted = host.os_release.as_ref().map(|os| (os, true));
        let local = host.local_os_release.as_ref().map(|os| (os, false));
        if !matches!(reading.certainty, Certainty::Sure | Certainty::None) {
            for (os, trusted) in [trusted, local].into_iter().flatten() {
                let whose = if trusted { "the host's os-release" } else { "this root's os-release" };
                let Some((distro, version)) = folder_of(os) else { continue };
                if settle(&mut reading, &distro, &version, trusted) {
                    reasons.push(format!("{whose} agrees: {distro}/{version}"));
                    break;
                }
                reasons.push(format!("{whose} says {distro}/{version}, which does not settle it"));
            }
        }
        Self { host, reading, reasons }
    }

    /// Whether an entry of the host's release and architecture, in the folder `distro`/`version`, is the host's.
    pub(crate) fn judge(&self, distro: &str, version: &str) -> Verdict {
        if distro == CUSTOM {
            let same = !self.host.version.is_empty() && version == build_hash(&self.host.version);
            return if same { Verdict::Yes } else { Verdict::No };
        }
        if !KNOWN.contains(&distro) {
            return self.judge_by_os_release(distro, version);
        }
        let Reading { distros, version: read, certainty, .. } = &self.reading;
        if !distros.contains(&distro)
            || read.as_ref().is_some_and(|read| *read != plain_version(distro, version))
        {
            return Verdict::No;
        }
        match certainty {
            Certainty::Sure => Verdict::Yes,
            Certainty::None => Verdict::No,
            _ => Verdict::Open,
        }
    }

    /// A folder of a distribution unknown here is the host's when os-release names it, which a container's does only
    /// when the kernel's own words name the distribution too.
    fn judge_by_os_release(&self, distro: &str, version: &str) -> Verdict {
        let named = |os: &OsRelease| {
            let full = os.get("VERSION_ID").unwrap_or_default();
            os.get("ID").is_some_and(|id| id.eq_ignore_ascii_case(distro))
                && (version == full || Some(version) == full.split('.').next())
        };
        let host = self.host;
        let kernel = || {
            let words = [Some(&host.release), Some(&host.version), host.proc_version.as_ref()];
            let distro = distro.to_ascii_lowercase();
            words.into_iter().flatten().any(|words| words.to_ascii_lowercase().contains(&distro))
        };
        let proven = match &host.os_release {
            Some(os) => named(os),
            None => host.local_os_release.as_ref().is_some_and(named) && kernel(),
        };
        if proven { Verdict::Yes } else { Verdict::No }
    }

    /// Whether the local os-release names this very folder version: the tie-breaker between folders that both fit.
    pub(crate) fn preferred(&self, distro: &str, version: &str) -> bool {
        let os = self.host.os_release.as_ref().or(self.host.local_os_release.as_ref());
        let Some(os) = os else { return false };
        let full = os.get("VERSION_ID").unwrap_or_default();
        os.get("ID") == Some(distro) && (version == full || Some(version) == full.split('.').next())
    }
}

impl Host {
    /// The architecture's name in the hub, such as `arm64` where the machine is `aarch64`.
    pub fn arch(&self) -> &str {
        hub_arch(&self.machine)
    }

    /// The id under which the hub files this kernel; a kernel that no known distribution made is
    /// `custom/<hash of uname -v>/<arch>/<release>`. `None` when the host's words leave it open.
    pub fn kernel_id(&self) -> Option<KernelId> {
        let reading = Identity::of(self).reading;
        let (distro, version) = match (reading.certainty, reading.distros) {
            (Certainty::Sure, [distro, ..]) => (*distro, folder_version(distro, reading.version?)),
            (Certainty::None, _) if !self.version.is_empty() => (CUSTOM, build_hash(&self.version)),
            _ => return None,
        };
        KernelId::new(distro, &version, self.arch(), &self.release).ok()
    }
}

fn words(host: &Host) -> Words<'_> {
    let banner = host.proc_version.as_deref().and_then(Banner::parse);
    let in_banner = banner.map(|b| b.version).unwrap_or_default();
    // The banner in the kernel's log ends with the signature, /proc/version does not.
    let (in_banner, signature) = match in_banner.split_once(" (Ubuntu ") {
        Some((version, _)) => (version, in_banner.get(version.len() + 2..in_banner.len() - 1)),
        None => (in_banner, None),
    };
    Words {
        release: &host.release,
        version: if host.version.is_empty() { in_banner } else { host.version.trim() },
        banner,
        signature: host.version_signature.as_deref().map(str::trim).filter(|s| !s.is_empty()).or(signature),
    }
}

fn describe(reading: &Reading) -> String {
    let version = reading.version.as_deref().unwrap_or("?");
    match reading.certainty {
        Certainty::None => format!("the kernel is of no known distribution: {}", reading.mark),
        Certainty::Sure => {
            format!("the kernel is {} {version}: {}", reading.distros.join(" or "), reading.mark)
        }
        _ => format!("the kernel may be {} {version}: {}", reading.distros.join(" or "), reading.mark),
    }
}

/// Lets os-release settle what the kernel's words leave open; whether it did.
fn settle(reading: &mut Reading, distro: &str, version: &str, trusted: bool) -> bool {
    let Some(known) = reading.distros.iter().position(|d| *d == distro) else { return false };
    let version = plain_version(distro, version);
    let agrees = reading.version.as_ref().is_none_or(|read| *read == version);
    let enough = match reading.certainty {
        Certainty::Open | Certainty::VersionOpen => trusted,
        Certainty::Likely => true,
        Certainty::Sure | Certainty::None => false,
    };
    if !agrees || !enough {
        return false;
    }
    reading.distros = reading.distros.get(known..=known).unwrap_or_default();
    reading.version = Some(version);
    reading.certainty = Certainty::Sure;
    true
}

/// The hub's folder for an os-release; derivatives only where they use the vendor's kernels (Ubuntu's).
fn folder_of(os: &OsRelease) -> Option<(String, String)> {
    let id = os.get("ID")?.to_ascii_lowercase();
    let version = os.get("VERSION_ID").unwrap_or_default();
    let major = version.split('.').next().unwrap_or_default();
    let (distro, version) = match id.as_str() {
        "ubuntu" => {
            ("ubuntu", if version.is_empty() { codename(os.get("VERSION_CODENAME")?)? } else { version })
        }
        "debian" => {
            ("debian", if version.is_empty() { codename(os.get("VERSION_CODENAME")?)? } else { major })
        }
        "centos" | "rhel" | "ol" | "amzn" | "fedora" => (id.as_str(), major),
        "rhcos" => {
            let platform = os.get("PLATFORM_ID").and_then(|p| p.strip_prefix("platform:el"));
            ("rhel", os.get("RHEL_VERSION").and_then(|v| v.split('.').next()).or(platform)?)
        }
        "sles" | "sled" | "sles_sap" => ("sles", version),
        "opensuse-leap" => ("opensuse-leap", version),
        _ if os.get("ID_LIKE")?.split_whitespace().any(|like| like == "ubuntu") => {
            ("ubuntu", codename(os.get("UBUNTU_CODENAME")?)?)
        }
        _ => return None,
    };
    (!version.is_empty()).then(|| (distro.to_owned(), version.to_owned()))
}

/// The version that a release name stands for.
fn codename(name: &str) -> Option<&'static str> {
    Some(match name {
        "trusty" => "14.04",
        "xenial" => "16.04",
        "bionic" => "18.04",
        "focal" => "20.04",
        "jammy" => "22.04",
        "noble" => "24.04",
        "jessie" => "8",
        "stretch" => "9",
        "buster" => "10",
        "bullseye" => "11",
        "bookworm" => "12",
        "trixie" => "13",
        _ => return None,
    })
}

/// One form for a folder's version: `bullseye` is `11`, `7.9` of CentOS is `7`, Amazon's `2018` is `1`.
pub(crate) fn plain_version(distro: &str, version: &str) -> String {
    let version = codename(version).unwrap_or(version);
    let major = version.split('.').next().unwrap_or_default();
    let plain = match distro {
        "amzn" if matches!(major, "2016" | "2017" | "2018") => "1",
        "debian" | "rhel" | "centos" | "ol" | "amzn" | "fedora" => major,
        _ => version,
    };
    plain.to_owned()
}

/// The folder that the hub uses for a version in [`plain_version`]'s form.
fn folder_version(distro: &str, version: String) -> String {
    if distro == "amzn" && version == "1" { "2018".to_owned() } else { version }
}

/// The hub's name of an architecture by any of its names.
pub(crate) fn hub_arch(name: &str) -> &str {
    match name {
        "amd64" | "x64" => "x86_64",
        "aarch64" => "arm64",
        "ppc64el" | "powerpc64le" => "ppc64le",
        "i386" | "i486" | "i586" | "i686" => "x86",
        "armv6l" | "armv7l" | "armv8l" | "armhf" => "arm",
        other => other,
    }
}

/// FNV-1a of `uname -v`, which names one build of a kernel.
fn build_hash(version: &str) -> String {
    let hash = version.trim().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
