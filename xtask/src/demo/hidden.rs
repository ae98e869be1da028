//! Hidden BTF: commands in a mount namespace of their own, in which the kernel's BTF cannot be seen.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::shell;

/// Where the kernel shows its BTF.
pub(super) const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// What stands in the way of hiding BTF or loading programs here, if anything does.
pub(super) fn obstacle() -> Option<String> {
    if !shell::is_root() {
        return Some("not running as root".to_owned());
    }
    if !Path::new(KERNEL_BTF).exists() {
        return Some(format!("this kernel has no {KERNEL_BTF} that could be embedded first and hidden then"));
    }
    let output = match command("test", ["!", "-e", KERNEL_BTF]).output() {
        Ok(output) => output,
        Err(error) => return Some(format!("unshare: {error}")),
    };
    if output.status.success() {
        return None;
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Some(format!("a private mount namespace with {KERNEL_BTF} hidden is refused: {said}"))
}

/// `program` in a private mount namespace, with an empty file system mounted over the kernel's BTF.
///
/// It is the child itself: what `unshare` and `sh` do happens before, in the same process.
pub(super) fn command(
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Command {
    // Only /sys is made private, since in a chroot there may be no mount at / to do it to.
    let mut command = in_namespace("unchanged", &format!("{HIDE} && exec \"$@\""));
    command.arg("sh").arg(program).args(args);
    command
}

/// The same in another root, which shows /proc and /sys as a container does.
pub(super) fn command_in(
    root: &Path,
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Command {
    let show = "mount --rbind /proc \"$0/proc\" && mount --rbind /sys \"$0/sys\"";
    // All is made private, or what is mounted in the root would be seen by everyone.
    let mut command = in_namespace("private", &format!("{HIDE} && {show} && exec chroot \"$0\" \"$@\""));
    command.arg(root).arg(program).args(args);
    command
}

/// Nothing of it reaches other namespaces: /sys is a mount of this one alone before anything is mounted below it.
const HIDE: &str = "mount --make-rprivate /sys && mount -t tmpfs -o size=4k none /sys/kernel/btf";

fn in_namespace(propagation: &str, script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", propagation, "sh", "-c", script]);
    command
}
