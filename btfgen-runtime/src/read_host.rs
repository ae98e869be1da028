//! Reads the host: uname, `/proc/version`, the build id and os-release, also from inside a container.

use std::env;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::build_id::BuildId;
use crate::host::Host;
use crate::os_release::OsRelease;
use crate::{environment, fs};

/// Where containers usually mount the host's root.
const HOST_MOUNTS: [&str; 4] = ["host", "hostfs", "rootfs", "host/root"];
/// Most bytes that are read from a file; the rest is ignored.
const MAX_LEN: u64 = 64 << 10;

impl Host {
    /// Reads the running machine.
    pub fn current() -> Self {
        Self::read(Path::new("/"), None)
    }

    /// Reads the running machine from a container that sees the host's root file system at `host_root`.
    pub fn current_in(host_root: &Path) -> Self {
        Self::read(Path::new("/"), Some(host_root))
    }

    /// Reads the machine, with `root` in place of `/`.
    pub(crate) fn read(root: &Path, host_root: Option<&Path>) -> Self {
        let uname = rustix::system::uname();
        let release = uname.release().to_string_lossy().into_owned();
        let local_os_release = read_os_release(root);
        let host_roots = host_roots(root, host_root, &release);
        let os_release = host_os_release(&host_roots)
            .or_else(|| local_os_release.clone().filter(|_| is_installed_from(root, &release)));
        Self {
            version: uname.version().to_string_lossy().into_owned(),
            machine: uname.machine().to_string_lossy().into_owned(),
            proc_version: read_text(&root.join("proc/version")),
            version_signature: read_text(&root.join("proc/version_signature")),
            build_id: read_build_id(root).or_else(|| host_roots.iter().find_map(|root| read_build_id(root))),
            os_release,
            local_os_release,
            release,
        }
    }

    /// The host's root file system, as named by the app or the environment.
    pub(crate) fn named_root(host_root: Option<&Path>) -> Option<PathBuf> {
        match host_root {
            Some(root) => Some(root.to_owned()),
            None => environment::trusted(environment::HOST_ROOT).map(PathBuf::from),
        }
    }
}

/// Where the host's root file system may be: the named one, or else its usual mounts.
fn host_roots(root: &Path, host_root: Option<&Path>, release: &str) -> Vec<PathBuf> {
    if let Some(mount) = Host::named_root(host_root) {
        return vec![mount];
    }
    let in_container = is_in_container(root);
    HOST_MOUNTS
        .iter()
        .map(|mount| root.join(mount))
        .filter(|mount| in_container || is_installed_from(mount, release))
        .collect()
}

/// The host's os-release: named by the environment, or below the host's root.
fn host_os_release(host_roots: &[PathBuf]) -> Option<OsRelease> {
    if let Some(file) = environment::trusted(environment::OS_RELEASE) {
        return parse_os_release(Path::new(&file));
    }
    host_roots.iter().find_map(|mount| read_os_release(mount))
}

/// The running kernel's build id, if sysfs is mounted below a root.
fn read_build_id(root: &Path) -> Option<BuildId> {
    let notes = fs::read_up_to(&root.join("sys/kernel/notes"), MAX_LEN).ok()?;
    BuildId::from_notes(&notes, cfg!(target_endian = "big"))
}

fn is_in_container(root: &Path) -> bool {
    root.join("run/.containerenv").exists()
        || root.join(".dockerenv").exists()
        || env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

/// Whether the running kernel was installed from a root file system: its modules are on the same device as os-release.
///
/// If the host's `/lib/modules` is mounted into a container, they are on different devices.
fn is_installed_from(root: &Path, release: &str) -> bool {
    let device = |path: &str| root.join(path).metadata().ok().map(|metadata| metadata.dev());
    let os_release = device("etc/os-release");
    os_release.is_some() && os_release == device(&format!("lib/modules/{release}/modules.dep"))
}

fn read_os_release(root: &Path) -> Option<OsRelease> {
    parse_os_release(&root.join("etc/os-release"))
        .or_else(|| parse_os_release(&root.join("usr/lib/os-release")))
}

fn parse_os_release(path: &Path) -> Option<OsRelease> {
    read_text(path).map(|text| OsRelease::parse(&text))
}

/// The start of a file; bytes that are not UTF-8 are replaced.
fn read_text(path: &Path) -> Option<String> {
    let bytes = fs::read_up_to(path, MAX_LEN).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
