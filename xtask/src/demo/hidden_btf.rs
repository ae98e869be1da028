//! Hidden BTF: commands in a private mount namespace that hides the kernel's BTF.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::shell;

/// The kernel's BTF.
pub(super) const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// Why BTF cannot be hidden or programs not loaded here, if so.
pub(crate) fn obstacle() -> Option<String> {
    if !shell::is_root() {
        return Some("not running as root".to_owned());
    }
    if !Path::new(KERNEL_BTF).exists() {
        return Some(format!("this kernel has no {KERNEL_BTF} to embed and hide"));
    }
    let output = match command("test", ["!", "-e", KERNEL_BTF]).output() {
        Ok(output) => output,
        Err(error) => return Some(format!("unshare: {error}")),
    };
    if output.status.success() {
        return None;
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Some(format!("cannot hide {KERNEL_BTF} in a private mount namespace: {said}"))
}

/// `program` in a private mount namespace, with an empty file system mounted over the kernel's BTF.
///
/// The child process becomes `program`: `unshare` and `sh` run before it in the same process.
pub(super) fn command(
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Command {
    // Only /sys is made private: in a chroot there may be no mount at /.
    let mut command = in_namespace("unchanged", &format!("{HIDE} && exec \"$@\""));
    command.arg("sh").arg(program).args(args);
    command
}

/// The same in another root, with /proc and /sys as in a container.
pub(super) fn command_in(
    root: &Path,
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Command {
    let show = "mount --rbind /proc \"$0/proc\" && mount --rbind /sys \"$0/sys\"";
    // Everything is made private, or other processes would see the mounts in the root.
    let mut command = in_namespace("private", &format!("{HIDE} && {show} && exec chroot \"$0\" \"$@\""));
    command.arg(root).arg(program).args(args);
    command
}

/// Hides the BTF in this namespace only: /sys is made private before anything is mounted below it.
const HIDE: &str = "mount --make-rprivate /sys && mount -t tmpfs -o size=4k none /sys/kernel/btf";

fn in_namespace(propagation: &str, script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", propagation, "sh", "-c", script]);
    command
}
