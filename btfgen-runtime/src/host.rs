//! Host: the machine at run time, as plain values that a test or a command may also make up.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::fs::{self, below};
use crate::os_release::{self, OsRelease};
use crate::privilege;
use crate::text::{join, lossy};

/// Names the host's root file system for a process in a container; ignored with raised privileges.
pub(crate) const HOST_ROOT_VARIABLE: &str = "BTFGEN_HOST_ROOT";
/// Names the host's os-release file; ignored with raised privileges.
pub(crate) const OS_RELEASE_VARIABLE: &str = "BTFGEN_OS_RELEASE";
/// Where containers usually see the host's root.
const HOST_MOUNTS: [&str; 4] = ["host", "hostfs", "rootfs", "host/root"];

/// What identifies a machine's kernel: its own words, and os-release for what they leave open.
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
    /// `uname -v`; empty when unknown.
    pub version: String,
    /// `uname -m`.
    pub machine: String,
    /// `/proc/version`, which is the kernel's in a container too.
    pub proc_version: Option<String>,
    /// `/proc/version_signature`, which Ubuntu's kernels have.
    pub version_signature: Option<String>,
    /// The os-release known to be of the file system that the kernel was installed from.
    pub os_release: Option<OsRelease>,
    /// The os-release of this process's root, which may be a container's.
    pub local_os_release: Option<OsRelease>,
}

impl Host {
    /// Reads the running machine.
    pub fn current() -> Self {
        Self::read(Path::new("/"), None)
    }

    /// Reads the running machine, whose root file system a container sees at `host_root`.
    pub fn current_in(host_root: &Path) -> Self {
        Self::read(Path::new("/"), Some(host_root))
    }

    /// Reads the machine with `root` for `/`.
    #[inline(never)]
    pub(crate) fn read(root: &Path, host_root: Option<&Path>) -> Self {
        let uname = rustix::system::uname();
        let release = lossy(uname.release().to_bytes());
        let local = read_os_release(root);
        let mut os_release = host_os_release(root, host_root, &release);
        if os_release.is_none() && installed_from(root, &release) {
            os_release.clone_from(&local);
        }
        Self {
            os_release,
            local_os_release: local,
            version: lossy(uname.version().to_bytes()),
            machine: lossy(uname.machine().to_bytes()),
            proc_version: read_text(&below(root, "proc/version")),
            version_signature: read_text(&below(root, "proc/version_signature")),
            release,
        }
    }
}

/// The host's root as named by the app or the environment.
pub(crate) fn named_root(host_root: Option<&Path>) -> Option<PathBuf> {
    match host_root {
        Some(root) => Some(root.to_owned()),
        None => privilege::variable(HOST_ROOT_VARIABLE).map(PathBuf::from),
    }
}

/// The host's os-release: named by the app, by the environment, or at a mount that looks like the host's root.
#[inline(never)]
fn host_os_release(root: &Path, host_root: Option<&Path>, release: &str) -> Option<OsRelease> {
    if let Some(file) = privilege::variable(OS_RELEASE_VARIABLE) {
        return parse_os_release(Path::new(&file));
    }
    if let Some(mount) = named_root(host_root) {
        return read_os_release(&mount);
    }
    let contained = in_container(root);
    for mount in HOST_MOUNTS {
        let mount = below(root, mount);
        if (contained || installed_from(&mount, release))
            && let Some(os) = read_os_release(&mount)
        {
            return Some(os);
        }
    }
    None
}

fn in_container(root: &Path) -> bool {
    ["run/.containerenv", ".dockerenv"].iter().any(|file| device(root, file).is_some())
        || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

/// Whether a root file system holds the running kernel's modules itself: they lie on the device that its os-release
/// lies on. A container that is lent the host's `/lib/modules` has them on another one.
#[inline(never)]
fn installed_from(root: &Path, release: &str) -> bool {
    let os_release = device(root, "etc/os-release");
    let modules = device(root, &join(&["lib/modules/", release, "/modules.dep"]));
    os_release.is_some() && os_release == modules
}

#[inline(never)]
fn device(root: &Path, file: &str) -> Option<u64> {
    below(root, file).metadata().ok().map(|metadata| metadata.dev())
}

#[inline(never)]
fn read_os_release(root: &Path) -> Option<OsRelease> {
    parse_os_release(&below(root, "etc/os-release"))
        .or_else(|| parse_os_release(&below(root, "usr/lib/os-release")))
}

#[inline(never)]
fn parse_os_release(path: &Path) -> Option<OsRelease> {
    read_text(path).map(|text| OsRelease::parse(&text))
}

/// The beginning of a file, with other bytes than UTF-8's replaced.
#[inline(never)]
fn read_text(path: &Path) -> Option<String> {
    fs::read(path, os_release::MAX_LEN).ok().map(|bytes| lossy(&bytes))
}
