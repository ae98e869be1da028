//! Guest: a virtual machine that boots one kernel with execwatch in its root file system.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use btfgen_core::KernelId;

use super::cpio::Cpio;
use crate::demo::container;
use crate::shell::{self, Outcome};

pub(super) const QEMU: &str = "qemu-system-x86_64";
/// Statically linked, in Debian's package `busybox-static`.
const BUSYBOX: &str = "/bin/busybox";
/// What runs in the guest.
const INIT: &str = include_str!("init.sh");
/// Longest that a guest may take.
const LIMIT: Duration = Duration::from_secs(300);
/// Most of the guest's output that is kept, in bytes.
const OUTPUT_LIMIT: u64 = 1 << 20;

/// What stands in the way of starting guests here, if anything does.
pub(super) fn obstacle() -> Option<String> {
    let missing = |what, package| {
        Some(format!("{what} is missing: on Debian and Ubuntu run  apt-get install {package}"))
    };
    if !shell::works(QEMU, &["--version"]) {
        return missing(QEMU, "qemu-system-x86");
    }
    let linked = Command::new("ldd").arg(BUSYBOX).output();
    if !Path::new(BUSYBOX).exists() || linked.is_ok_and(|linked| linked.status.success()) {
        return missing("a statically linked busybox", "busybox-static");
    }
    None
}

/// What all guests with one build of execwatch have in common.
pub(super) struct Root {
    cpio: Cpio,
    /// Where the files of each guest are put.
    scratch: PathBuf,
}

impl Root {
    /// Collects execwatch, the libraries it is linked with, and busybox.
    pub(super) fn new(execwatch: &Path, scratch: &Path) -> Outcome<Self> {
        let stripped = scratch.join("execwatch.stripped");
        let mut strip = Command::new("llvm-strip");
        shell::read(strip.arg("-o").arg(&stripped).arg(execwatch))?;
        let libraries = shell::libraries(execwatch)?;

        let mut cpio = Cpio::default();
        let mut files: Vec<(&str, Vec<u8>)> = vec![
            ("bin/busybox", fs::read(BUSYBOX)?),
            ("bin/execwatch", fs::read(stripped)?),
            ("container/etc/os-release", container::OS_RELEASE.into()),
            ("etc/passwd", "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n".into()),
            ("etc/group", "root:x:0:\nnogroup:x:65534:\n".into()),
            ("init", INIT.into()),
        ];
        for library in &libraries {
            files.push((library.trim_start_matches('/'), fs::read(library)?));
        }
        let paths: Vec<&str> = files.iter().map(|(path, _)| *path).chain(["etc/os-release"]).collect();
        for folder in folders(&paths) {
            cpio.folder(folder);
        }
        // The kernel opens it for the first process before anything is mounted.
        cpio.device("dev/console", 5, 1);
        for (path, content) in files {
            cpio.file(path, &content);
        }
        Ok(Self { cpio, scratch: scratch.to_owned() })
    }

    /// Boots a kernel, waits for the guest to end, and returns what it printed.
    ///
    /// `options` are given to execwatch; they hold no blanks.
    pub(super) fn boot(&self, id: &KernelId, image: &Path, options: &str) -> Outcome<Run> {
        let name = id.as_str().replace('/', "-");
        let initramfs = self.scratch.join(format!("{name}.cpio"));
        let mut cpio = self.cpio.clone();
        cpio.file("etc/os-release", os_release(id.version()).as_bytes());
        fs::write(&initramfs, cpio.finish())?;
        let mut arguments = "console=ttyS0 quiet loglevel=0 panic=-1 reboot=t mitigations=off".to_owned();
        if !options.is_empty() {
            // What the kernel does not know itself goes into the environment of the first process.
            arguments += &format!(" BTFGEN_OPTIONS={options}");
        }
        let mut qemu = Command::new(QEMU);
        qemu.args(["-nographic", "-no-reboot", "-nic", "none", "-smp", "1", "-m", "512M"]);
        // Everywhere the same: KVM is not for everyone, and where it is nested it may not boot a kernel at all.
        qemu.args(["-accel", "tcg"]).arg("-kernel").arg(image).arg("-initrd").arg(&initramfs);
        qemu.args(["-append", &arguments]);
        let started = Instant::now();
        let output = run(&mut qemu)?;
        fs::write(self.scratch.join(format!("{name}.log")), &output)?;
        fs::remove_file(initramfs)?;
        Ok(Run { output, time: started.elapsed() })
    }
}

/// What came of a boot.
pub(super) struct Run {
    /// All that the guest printed.
    pub(super) output: String,
    pub(super) time: Duration,
}

/// Runs a guest, no longer than [`LIMIT`].
fn run(qemu: &mut Command) -> Outcome<String> {
    let mut guest = qemu.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
    let stdout = guest.stdout.take().ok_or("no output of the guest")?;
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        // A guest that prints without end is stopped by the pipe it fills, and then by the clock.
        stdout.take(OUTPUT_LIMIT).read_to_end(&mut bytes).map(|_| bytes)
    });
    let deadline = Instant::now() + LIMIT;
    while guest.try_wait()?.is_none() {
        if Instant::now() >= deadline {
            guest.kill()?;
            guest.wait()?;
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    let bytes = reader.join().map_err(|_| "the guest's output was not read")??;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The folders above these paths, and those that the guest mounts on, each after the one that holds it.
fn folders<'a>(paths: &[&'a str]) -> Vec<&'a str> {
    let above = paths.iter().flat_map(|path| path.match_indices('/').map(|(at, _)| &path[..at]));
    let mut folders: Vec<&str> = above.chain(["dev", "proc", "run", "sys"]).collect();
    folders.sort_unstable();
    folders.dedup();
    folders
}

/// What `/etc/os-release` of a Debian version says.
fn os_release(version: &str) -> String {
    let codename = match version {
        "11" => "bullseye",
        "12" => "bookworm",
        "13" => "trixie",
        _ => "unknown",
    };
    format!(
        "PRETTY_NAME=\"Debian GNU/Linux {version} ({codename})\"\nNAME=\"Debian GNU/Linux\"\n\
         VERSION_ID=\"{version}\"\nVERSION=\"{version} ({codename})\"\nVERSION_CODENAME={codename}\nID=debian\n\
         HOME_URL=\"https://www.debian.org/\"\nSUPPORT_URL=\"https://www.debian.org/support\"\n\
         BUG_REPORT_URL=\"https://bugs.debian.org/\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_before_what_they_hold() {
        let expect = ["a", "a/b", "dev", "lib", "proc", "run", "sys"];
        assert_eq!(folders(&["a/b/c", "a/d", "lib/x", "init"]), expect);
    }
}
