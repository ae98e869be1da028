//! Host: what identifies the kernel of a machine, as plain values.

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
        hub_arch(&self.machine)
    }
}

/// The name of an architecture in the hub, given any of its names.
pub(crate) fn hub_arch(name: &str) -> &str {
    match name {
        "amd64" | "x64" => "x86_64",
        "aarch64" => "arm64",
        "ppc64el" | "powerpc64le" => "ppc64le",
        "i386" | "i586" | "i686" => "x86",
        "armv6l" | "armv7l" | "armv8l" | "armhf" => "arm",
        other => other,
    }
}
