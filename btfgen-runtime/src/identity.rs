//! Identity: which kernel a host runs, by the kernel's own strings first and os-release second.
//!
//! Build ids are compared before, by [`crate::select()`].

use std::slice;

use crate::distro::{Certainty, KernelStrings, Origin};
use crate::host::Host;
use crate::kernel_id::{KernelId, is_known_distro};
use crate::os_release::OsRelease;
use crate::proc_version::ProcVersion;

/// The identity of a host's kernel.
#[derive(Debug)]
pub(crate) struct Identity<'h> {
    host: &'h Host,
    origin: Origin<'h>,
    /// The reasons, a line each.
    pub(crate) reasons: Vec<String>,
}

/// Whether an entry with the host's release is the host's kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    Yes,
    /// Nothing contradicts it and nothing proves it.
    Possible,
    No,
}

impl<'h> Identity<'h> {
    /// Identifies a host's kernel.
    pub(crate) fn of(host: &'h Host) -> Self {
        let origin = Origin::of(&kernel_strings(host));
        let mut identity = Self { host, origin, reasons: vec![describe(&origin)] };
        identity.reasons.extend(host.build_id.map(|build_id| format!("build id {build_id}")));
        if let Some(os_release) = &host.os_release {
            identity.consult(os_release, true);
        }
        if let Some(os_release) = &host.local_os_release {
            identity.consult(os_release, false);
        }
        identity
    }

    /// Lets an os-release settle what the kernel's strings leave open.
    ///
    /// The local os-release may be a container's, so it settles only `Likely`.
    fn consult(&mut self, os_release: &'h OsRelease, is_hosts: bool) {
        let may_settle = match self.origin.certainty {
            Certainty::Possible | Certainty::VersionUnknown => is_hosts,
            Certainty::Likely => true,
            Certainty::Certain | Certainty::Unknown => return,
        };
        let Some((distro, version)) = hub_folder(os_release) else { return };
        let plain = plain_version(distro, version);
        let fits = may_settle && self.origin.version.is_none_or(|known| known == plain);
        let possible = self.origin.distros.iter().find(|possible| fits && **possible == distro);
        let whose = if is_hosts { "the host's os-release" } else { "the local os-release" };
        if let Some(possible) = possible {
            self.origin.distros = slice::from_ref(possible);
            self.origin.version = Some(plain);
            self.origin.certainty = Certainty::Certain;
            self.reasons.push(format!("{whose} names {distro} {version}"));
        } else {
            self.reasons.push(format!("{whose} names {distro} {version}, which is not conclusive"));
        }
    }

    /// Whether an entry with the host's release and architecture is the host's kernel, apart from build ids.
    pub(crate) fn matches(&self, entry: &KernelId) -> Match {
        let (distro, version) = (entry.distro(), entry.version());
        if distro == KernelId::CUSTOM {
            return Match::No;
        }
        if !is_known_distro(distro) {
            // A kernel of a known distribution cannot be another distribution's; os-release does not count.
            let is_proven = self.origin.certainty != Certainty::Certain && self.os_release_proves(entry);
            return if is_proven { Match::Yes } else { Match::No };
        }
        let is_other_version =
            self.origin.version.is_some_and(|known| known != plain_version(distro, version));
        if !self.origin.distros.contains(&distro) || is_other_version {
            return Match::No;
        }
        match self.origin.certainty {
            Certainty::Certain => Match::Yes,
            Certainty::VersionUnknown | Certainty::Likely | Certainty::Possible => Match::Possible,
            Certainty::Unknown => Match::No,
        }
    }

    /// Whether an entry of a distribution that is not known here is the host's kernel.
    ///
    /// The host's os-release proves it. The local one, which may be a container's, proves it only if the kernel's own
    /// strings name the distribution as well.
    fn os_release_proves(&self, entry: &KernelId) -> bool {
        let host = self.host;
        match (&host.os_release, &host.local_os_release) {
            (Some(os_release), _) => names_folder(os_release, entry),
            (None, Some(os_release)) => {
                let proc_version = host.proc_version.as_deref().unwrap_or_default();
                let strings = [&host.release, &host.version, proc_version].concat().to_ascii_lowercase();
                names_folder(os_release, entry) && strings.contains(&entry.distro().to_ascii_lowercase())
            }
            (None, None) => false,
        }
    }

    /// Whether os-release names an entry's own folder, which decides between several that match.
    pub(crate) fn is_preferred(&self, entry: &KernelId) -> bool {
        let os_release = self.host.os_release.as_ref().or(self.host.local_os_release.as_ref());
        os_release.is_some_and(|os_release| names_folder(os_release, entry))
    }
}

impl Host {
    /// The id of this kernel in a hub, or `None` if the kernel's strings and os-release leave it open.
    ///
    /// A kernel that no known distribution built is `custom/<first 16 digits of its build id>/<arch>/<release>`.
    pub fn kernel_id(&self) -> Option<KernelId> {
        let Origin { distros, version, certainty, .. } = Identity::of(self).origin;
        let (distro, version) = match certainty {
            Certainty::Certain => match (*distros.first()?, version?) {
                ("amzn", "1") => ("amzn", "2018".to_owned()),
                (distro, version) => (distro, version.to_owned()),
            },
            Certainty::Unknown => (KernelId::CUSTOM, self.build_id?.to_string()[..16].to_owned()),
            Certainty::VersionUnknown | Certainty::Likely | Certainty::Possible => return None,
        };
        KernelId::new(distro, &version, self.arch(), &self.release).ok()
    }
}

/// The strings in which a host's kernel describes itself.
fn kernel_strings(host: &Host) -> KernelStrings<'_> {
    let proc_version = host.proc_version.as_deref().and_then(ProcVersion::parse);
    let uname_version = match proc_version {
        Some(proc) if host.version.is_empty() => proc.uname_version,
        _ => host.version.trim(),
    };
    let signature = host.version_signature.as_deref().map(str::trim).filter(|text| !text.is_empty());
    KernelStrings { release: &host.release, uname_version, proc_version, signature }
}

/// A line about an origin, such as `kernel may be from rhel, centos or ol 7: release looks like Red Hat's`.
fn describe(origin: &Origin<'_>) -> String {
    let evidence = origin.evidence;
    let distros = match origin.distros {
        [] => return format!("unknown distribution: {evidence}"),
        [distro] => (*distro).to_owned(),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    };
    let verb = if origin.certainty == Certainty::Certain { "is" } else { "may be" };
    let version = origin.version.map(|version| format!(" {version}")).unwrap_or_default();
    format!("kernel {verb} from {distros}{version}: {evidence}")
}

/// Distro and version in the hub for an os-release.
///
/// Of derivatives, only Ubuntu's are mapped: they use its kernels, others build their own.
fn hub_folder(os_release: &OsRelease) -> Option<(&str, &str)> {
    let id = os_release.get("ID")?;
    let version = os_release
        .get("VERSION_ID")
        .or_else(|| version_of_codename(os_release.get("VERSION_CODENAME")?))
        .unwrap_or_default();
    let (distro, version) = match id {
        _ if is_known_distro(id) => (id, version),
        "rhcos" => {
            let platform = || os_release.get("PLATFORM_ID")?.strip_prefix("platform:el");
            ("rhel", os_release.get("RHEL_VERSION").or_else(platform)?)
        }
        "sled" | "sles_sap" => ("sles", version),
        _ if os_release.get("ID_LIKE")?.split(' ').any(|like| like == "ubuntu") => {
            ("ubuntu", version_of_codename(os_release.get("UBUNTU_CODENAME")?)?)
        }
        _ => return None,
    };
    if version.is_empty() { None } else { Some((distro, version)) }
}

/// Whether an os-release names an entry's distro and version, the version whole or its first number.
fn names_folder(os_release: &OsRelease, entry: &KernelId) -> bool {
    let id = os_release.get("ID").unwrap_or_default();
    let version = os_release.get("VERSION_ID").unwrap_or_default();
    id.eq_ignore_ascii_case(entry.distro())
        && (entry.version() == version || entry.version() == first_number(version))
}

/// The version of Ubuntu or Debian with a codename.
fn version_of_codename(codename: &str) -> Option<&'static str> {
    Some(match codename {
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

/// The form in which versions are compared: `bullseye` is `11`, CentOS's `7.9` is `7`, Amazon's `2018` is `1`.
///
/// SLES without a service pack has the version `15` in os-release and `15.0` in hubs.
fn plain_version<'v>(distro: &str, version: &'v str) -> &'v str {
    let version = version_of_codename(version).unwrap_or(version);
    let first = first_number(version);
    match (distro, first) {
        ("amzn", "2016" | "2017" | "2018") => "1",
        ("sles" | "opensuse-leap", _) if version == "15" => "15.0",
        ("ubuntu" | "sles" | "opensuse-leap", _) => version,
        _ => first,
    }
}

/// A version up to its first dot.
fn first_number(version: &str) -> &str {
    version.split('.').next().unwrap_or(version)
}
