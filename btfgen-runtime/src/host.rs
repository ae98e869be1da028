//! Host: what identifies the kernel of a machine, as plain values.

use crate::arch::hub_arch;
use crate::build_id::BuildId;
use crate::os_release::OsRelease;

/// What identifies the kernel of a machine.
///
/// The build id counts first, then the kernel's own strings; os-release is used only if they are not conclusive.
///
/// ```
/// use btfgen_runtime::{Host, OsRelease};
/// let host = Host {
///     release: "5.4.0-84-generic".into(),
///     version: "#94~18.04.1-Ubuntu SMP Thu Aug 26 23:17:46 UTC 2021".into(),
///     machine: "x86_64".into(),
///     local_os_release: Some(OsRelease::parse("ID=alpine")),
///     ..Host::default()
/// };
/// assert_eq!(host.kernel_id().unwrap().as_str(), "ubuntu/18.04/x86_64/5.4.0-84-generic");
/// assert_eq!(host.arch(), "x86_64");
///
/// // The machine that this runs on, also from a container that sees its root at /host.
/// let here = [Host::current(), Host::current_in("/host".as_ref())];
/// assert_eq!(here[0].release, here[1].release);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// `uname -r`.
    pub release: String,
    /// `uname -v`; empty if unknown.
    pub version: String,
    /// `uname -m`.
    pub machine: String,
    /// `/proc/version`, which is the host kernel's also in a container.
    pub proc_version: Option<String>,
    /// `/proc/version_signature`, which only Ubuntu's kernels have.
    pub version_signature: Option<String>,
    /// The build id in `/sys/kernel/notes`; `None` if it cannot be read, as in a container without `/sys`.
    pub build_id: Option<BuildId>,
    /// The os-release of the file system that the kernel was installed from, if it is known to be that one.
    pub os_release: Option<OsRelease>,
    /// The os-release of this process's root, which may be a container's.
    pub local_os_release: Option<OsRelease>,
}

impl Host {
    /// The architecture's name in the hub, such as `arm64` if the machine is `aarch64`.
    pub fn arch(&self) -> &str {
        hub_arch(&self.machine).unwrap_or(&self.machine)
    }

    /// Whether a kernel id's architecture is this machine's, by any of its names.
    pub(crate) fn has_arch(&self, arch: &str) -> bool {
        hub_arch(arch).unwrap_or(arch) == self.arch()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debians_kernels_of_every_architecture_have_an_id() {
        let check = |machine: &str, release: &str, expect: &str| {
            let host = Host {
                release: release.into(),
                version: "#1 SMP Debian 6.1.176-1 (2026-07-02)".into(),
                machine: machine.into(),
                ..Host::default()
            };
            let id = host.kernel_id().map(|id| id.to_string());
            assert_eq!(id.as_deref(), Some(expect), "{machine}");
            assert!(host.has_arch(machine) && !host.has_arch("mips64"), "{machine}");
        };
        check("x86_64", "6.1.0-50-amd64", "debian/12/x86_64/6.1.0-50-amd64");
        check("aarch64", "6.1.0-50-arm64", "debian/12/arm64/6.1.0-50-arm64");
        check("ppc64le", "6.1.0-50-powerpc64le", "debian/12/ppc64le/6.1.0-50-powerpc64le");
        check("s390x", "6.1.0-50-s390x", "debian/12/s390x/6.1.0-50-s390x");
        check("i686", "6.1.0-50-686-pae", "debian/12/x86/6.1.0-50-686-pae");
        check("i586", "6.1.0-50-686", "debian/12/x86/6.1.0-50-686");
        check("armv7l", "6.1.0-50-armmp", "debian/12/arm/6.1.0-50-armmp");
        check("armv8l", "6.1.0-50-armmp-lpae", "debian/12/arm/6.1.0-50-armmp-lpae");
        check("armv6l", "6.1.0-50-rpi", "debian/12/arm/6.1.0-50-rpi");
    }
}
