//! Identity: which of the hub's folders a host's kernel belongs to, by its own words first, os-release after them.

use crate::banner::Banner;
use crate::hash::{Fnv, hexadecimal};
use crate::text::{among, by_name, cut, has_in_any_case, join, trim, until, word};
use crate::vendor::{self, Certainty, Reading, Words};
use crate::{Host, KernelId, OsRelease};

/// The distributions that [`vendor`] knows; any other folder of a hub is matched by os-release alone.
const KNOWN: &str = "ubuntu debian rhel centos ol amzn sles opensuse-leap fedora";
/// Folder of kernels that no distribution made; their version is a hash of `uname -v`.
const CUSTOM: &str = "custom";

/// Who a host's kernel is.
#[derive(Debug)]
pub(crate) struct Identity<'h> {
    host: &'h Host,
    reading: Reading<'h>,
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
    #[inline(never)]
    pub(crate) fn of(host: &'h Host) -> Self {
        let mut identity = Self { host, reading: vendor::read(&words(host)), reasons: Vec::new() };
        identity.reasons.push(describe(&identity.reading));
        identity.consult(&host.os_release, true);
        identity.consult(&host.local_os_release, false);
        identity
    }

    /// Lets an os-release settle what the kernel's words leave open.
    #[inline(never)]
    fn consult(&mut self, os: &'h Option<OsRelease>, trusted: bool) {
        let enough = match self.reading.certainty {
            Certainty::Open | Certainty::VersionOpen => trusted,
            Certainty::Likely => true,
            Certainty::Sure | Certainty::None => return,
        };
        let Some((distro, version)) = os.as_ref().and_then(folder_of) else { return };
        let whose = if trusted { "the host's os-release" } else { "this root's os-release" };
        let plain = plain_version(distro, version);
        let settles = match word(self.reading.distros, distro) {
            Some(known) if enough && self.reading.version.is_none_or(|read| read == plain) => {
                self.reading.distros = known;
                self.reading.version = Some(plain);
                self.reading.certainty = Certainty::Sure;
                ""
            }
            _ => ", which does not settle it",
        };
        self.reasons.push(join(&[whose, " says ", distro, " ", version, settles]));
    }

    /// Whether an entry of the host's release and architecture, in the folder `distro`/`version`, is the host's.
    pub(crate) fn judge(&self, distro: &str, version: &str) -> Verdict {
        if distro == CUSTOM {
            let same = !self.host.version.is_empty() && version == build_hash(&self.host.version);
            return if same { Verdict::Yes } else { Verdict::No };
        }
        if !among(KNOWN, distro) {
            return self.judge_by_os_release(distro, version);
        }
        let Reading { distros, version: read, certainty, .. } = self.reading;
        if !among(distros, distro) || read.is_some_and(|read| read != plain_version(distro, version)) {
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
    #[inline(never)]
    fn judge_by_os_release(&self, distro: &str, version: &str) -> Verdict {
        let host = self.host;
        let proven = match (&host.os_release, &host.local_os_release) {
            (Some(os), _) => names(os, distro, version),
            (None, Some(os)) if names(os, distro, version) => {
                let words = [&host.release, &host.version, host.proc_version.as_deref().unwrap_or_default()];
                has_in_any_case(&join(&words), distro)
            }
            _ => false,
        };
        if proven { Verdict::Yes } else { Verdict::No }
    }

    /// Whether os-release names this very folder: the tie-breaker between folders that both fit.
    pub(crate) fn preferred(&self, distro: &str, version: &str) -> bool {
        let os = self.host.os_release.as_ref().or(self.host.local_os_release.as_ref());
        os.is_some_and(|os| names(os, distro, version))
    }
}

/// Whether an os-release names a folder, by its whole version or its major one.
#[inline(never)]
fn names(os: &OsRelease, distro: &str, version: &str) -> bool {
    let full = os.get("VERSION_ID").unwrap_or_default();
    os.get("ID").is_some_and(|id| id.eq_ignore_ascii_case(distro))
        && (version == full || version == until(full, b'.'))
}

impl Host {
    /// The architecture's name in the hub, such as `arm64` where the machine is `aarch64`.
    pub fn arch(&self) -> &str {
        hub_arch(&self.machine)
    }

    /// The id under which the hub files this kernel; a kernel that no known distribution made is
    /// `custom/<hash of uname -v>/<arch>/<release>`. `None` when the host's words leave it open.
    pub fn kernel_id(&self) -> Option<KernelId> {
        let Reading { distros, version, certainty, .. } = Identity::of(self).reading;
        let hash;
        let (distro, version) = match (certainty, until(distros, b' ')) {
            (Certainty::Sure, "amzn") if version == Some("1") => ("amzn", "2018"),
            (Certainty::Sure, distro) => (distro, version?),
            (Certainty::None, _) if !self.version.is_empty() => {
                hash = build_hash(&self.version);
                (CUSTOM, hash.as_str())
            }
            _ => return None,
        };
        KernelId::new(distro, version, self.arch(), &self.release).ok()
    }
}

fn words(host: &Host) -> Words<'_> {
    let banner = host.proc_version.as_deref().and_then(Banner::parse);
    let in_banner = banner.map(|b| b.version).unwrap_or_default();
    // The banner in the kernel's log ends with the signature, /proc/version does not.
    let (in_banner, signature) = match cut(in_banner, " (Ubuntu ") {
        Some((version, _)) => (version, in_banner.get(version.len() + 2..in_banner.len() - 1)),
        None => (in_banner, None),
    };
    Words {
        release: &host.release,
        version: if host.version.is_empty() { in_banner } else { trim(&host.version) },
        banner,
        signature: host.version_signature.as_deref().map(trim).filter(|s| !s.is_empty()).or(signature),
    }
}

fn describe(reading: &Reading<'_>) -> String {
    let one = until(reading.distros, b' ');
    let (one, two) = match one {
        "" => ("of no known distribution", ""),
        _ if one == reading.distros => (one, ""),
        _ => (one, " or another of its form"),
    };
    let sure = matches!(reading.certainty, Certainty::Sure | Certainty::None);
    let verb = if sure { "the kernel is " } else { "the kernel may be " };
    let (space, version) = reading.version.map_or(("", ""), |version| (" ", version));
    join(&[verb, one, two, space, version, ": ", reading.mark])
}

/// The hub's folder for an os-release; derivatives only where they use the vendor's kernels (Ubuntu's).
fn folder_of(os: &OsRelease) -> Option<(&str, &str)> {
    let id = os.get("ID")?;
    let version = os.get("VERSION_ID").or_else(|| codename(os.get("VERSION_CODENAME")?)).unwrap_or_default();
    let (distro, version) = match word(KNOWN, id) {
        Some(known) => (known, version),
        None => match id {
            "rhcos" => {
                let platform = || os.get("PLATFORM_ID").and_then(|p| p.strip_prefix("platform:el"));
                ("rhel", os.get("RHEL_VERSION").or_else(platform)?)
            }
            "sled" | "sles_sap" => ("sles", version),
            _ if among(os.get("ID_LIKE")?, "ubuntu") => ("ubuntu", codename(os.get("UBUNTU_CODENAME")?)?),
            _ => return None,
        },
    };
    (!version.is_empty()).then_some((distro, version))
}

/// The version that a release name stands for.
fn codename(name: &str) -> Option<&'static str> {
    by_name(
        "trusty=14.04 xenial=16.04 bionic=18.04 focal=20.04 jammy=22.04 noble=24.04 \
         jessie=8 stretch=9 buster=10 bullseye=11 bookworm=12 trixie=13",
        name,
    )
}

/// One form for a folder's version: `bullseye` is `11`, `7.9` of CentOS is `7`, Amazon's `2018` is `1`.
pub(crate) fn plain_version<'v>(distro: &str, version: &'v str) -> &'v str {
    let version = codename(version).unwrap_or(version);
    let major = until(version, b'.');
    match distro {
        "amzn" if among("2016 2017 2018", major) => "1",
        _ if among("ubuntu sles opensuse-leap", distro) => version,
        _ => major,
    }
}

/// The hub's name of an architecture by any of its names.
pub(crate) fn hub_arch(name: &str) -> &str {
    by_name(
        "amd64=x86_64 x64=x86_64 aarch64=arm64 ppc64el=ppc64le powerpc64le=ppc64le i386=x86 i586=x86 i686=x86 \
         armv6l=arm armv7l=arm armv8l=arm armhf=arm",
        name,
    )
    .unwrap_or(name)
}

/// A hash of `uname -v`, which names one build of a kernel.
#[inline(never)]
fn build_hash(version: &str) -> String {
    let mut hash = Fnv::new();
    trim(version).bytes().for_each(|byte| hash.byte(byte));
    hexadecimal(hash.finish())
}
