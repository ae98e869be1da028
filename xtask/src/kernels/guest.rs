//! Guest: a virtual machine that boots one kernel with a program in its first root file system.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cpio::newc::{Builder, trailer};

use crate::architecture::Architecture;
use crate::cross::{self, NATIVE_BUSYBOX, Toolchain};
use crate::demo::ALPINE_OS_RELEASE;
use crate::engine::KernelId;
use crate::shell::{self, Outcome};

/// Guests that run at once.
pub(super) const JOBS: usize = 2;
/// Modes of entries of the root file system: everyone may read and execute files.
const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_755;
const DEVICE: u32 = 0o020_600;
/// Maximum time of a guest.
const LIMIT: Duration = Duration::from_secs(300);
/// Maximum length of the guest's output that is kept, in bytes.
const OUTPUT_LIMIT: u64 = 1 << 20;

/// Why guests of an architecture cannot be started here, if so.
pub(super) fn obstacle(architecture: &Architecture) -> Option<String> {
    let Architecture { qemu, qemu_package, .. } = architecture;
    let missing = |what, package| {
        Some(format!("{what} is missing: on Debian and Ubuntu run  apt-get install {package}"))
    };
    if !shell::works(qemu, &["--version"]) {
        return missing(*qemu, *qemu_package);
    }
    if !architecture.is_native() {
        return cross::obstacle();
    }
    let linked = Command::new("ldd").arg(NATIVE_BUSYBOX).output();
    if !Path::new(NATIVE_BUSYBOX).exists() || linked.is_ok_and(|linked| linked.status.success()) {
        return missing("a statically linked busybox", "busybox-static");
    }
    None
}

/// A file of a guest.
#[derive(Clone)]
pub(super) struct File {
    /// Relative to the root.
    pub(super) path: String,
    pub(super) content: Vec<u8>,
}

/// A program of a guest.
pub(super) struct Program<'a> {
    /// Its name in `/bin`.
    pub(super) name: &'static str,
    pub(super) path: &'a Path,
}

/// The root file system of all guests with one build of a program.
pub(super) struct Root {
    architecture: &'static Architecture,
    /// The archive without its end and without what differs between guests.
    cpio: Vec<u8>,
    /// The folder for each guest's files.
    scratch: PathBuf,
}

impl Root {
    /// Collects the program, the libraries it is linked with, and busybox. `init` is the script of the first process.
    pub(super) fn new(
        toolchain: &Toolchain,
        program: &Program<'_>,
        init: &str,
        scratch: &Path,
    ) -> Outcome<Self> {
        let stripped = scratch.join(format!("{}.stripped", program.name));
        let mut strip = Command::new("llvm-strip");
        shell::read(strip.arg("-o").arg(&stripped).arg(program.path))?;
        let libraries = toolchain.libraries(program.path)?;
        let bin = format!("bin/{}", program.name);

        let mut files: Vec<(&str, Vec<u8>)> = vec![
            ("bin/busybox", fs::read(toolchain.busybox())?),
            (&bin, fs::read(stripped)?),
            ("container/etc/os-release", ALPINE_OS_RELEASE.into()),
            ("etc/passwd", "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n".into()),
            ("etc/group", "root:x:0:\nnogroup:x:65534:\n".into()),
            ("init", init.into()),
        ];
        for library in &libraries {
            files.push((library.trim_start_matches('/'), fs::read(library)?));
        }
        let paths: Vec<&str> = files.iter().map(|(path, _)| *path).chain(["etc/os-release"]).collect();
        let mut cpio = Vec::new();
        for folder in folders(&paths) {
            add(&mut cpio, Builder::new(folder).mode(FOLDER), &[])?;
        }
        // The kernel opens it for the first process before anything is mounted.
        add(&mut cpio, Builder::new("dev/console").mode(DEVICE).rdev_major(5).rdev_minor(1), &[])?;
        for (path, content) in files {
            add(&mut cpio, Builder::new(path).mode(FILE), &content)?;
        }
        Ok(Self { architecture: toolchain.architecture, cpio, scratch: scratch.to_owned() })
    }

    /// Boots a kernel and waits for the guest to end.
    ///
    /// `options` are the program's, without spaces. `files` are added to the root file system.
    pub(super) fn boot(&self, id: &KernelId, image: &Path, options: &str, files: &[File]) -> Outcome<Run> {
        let name = id.as_str().replace('/', "-");
        let initramfs = self.scratch.join(format!("{name}.cpio"));
        let mut cpio = self.cpio.clone();
        add(&mut cpio, Builder::new("etc/os-release").mode(FILE), os_release(id.version()).as_bytes())?;
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        for folder in parents(&paths) {
            add(&mut cpio, Builder::new(folder).mode(FOLDER), &[])?;
        }
        for file in files {
            add(&mut cpio, Builder::new(&file.path).mode(FILE), &file.content)?;
        }
        fs::write(&initramfs, trailer(cpio)?)?;
        let Architecture { qemu, machine, console, .. } = self.architecture;
        let mut arguments = format!("console={console} quiet loglevel=0 panic=-1 reboot=t mitigations=off");
        if !options.is_empty() {
            // The kernel passes parameters that it does not know to the first process's environment.
            arguments += &format!(" BTFGEN_OPTIONS={options}");
        }
        let mut qemu = Command::new(qemu);
        qemu.args(*machine).args(["-nographic", "-no-reboot", "-nic", "none", "-smp", "1", "-m", "1G"]);
        // The same on every machine: KVM is not always allowed, and nested KVM may fail to boot a kernel.
        qemu.args(["-accel", "tcg"]).arg("-kernel").arg(image).arg("-initrd").arg(&initramfs);
        qemu.args(["-append", &arguments]);
        let started = Instant::now();
        let output = run(&mut qemu)?;
        fs::write(self.scratch.join(format!("{name}.log")), &output)?;
        fs::remove_file(initramfs)?;
        Ok(Run { output, time: started.elapsed() })
    }
}

/// Adds an entry to a cpio archive.
fn add(cpio: &mut Vec<u8>, entry: Builder, content: &[u8]) -> Outcome {
    let mut writer = entry.write(cpio, u32::try_from(content.len())?);
    writer.write_all(content)?;
    writer.finish()?;
    Ok(())
}

/// The outcome of a boot.
pub(super) struct Run {
    /// The guest's whole output.
    pub(super) output: String,
    pub(super) time: Duration,
}

/// Runs a guest, no longer than [`LIMIT`].
fn run(qemu: &mut Command) -> Outcome<String> {
    let mut guest = qemu.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
    let stdout = guest.stdout.take().ok_or("qemu has no standard output")?;
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        // A guest that prints without end blocks on the full pipe until its time is over.
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
    let bytes = reader.join().map_err(|_| "the thread that reads the guest's output panicked")??;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The folders of these paths and the guest's mount points, each after its parent.
fn folders<'a>(paths: &[&'a str]) -> Vec<&'a str> {
    let mut folders = parents(paths);
    folders.extend(["dev", "proc", "run", "sys"]);
    folders.sort_unstable();
    folders.dedup();
    folders
}

/// The folders of these paths, each after its parent.
fn parents<'a>(paths: &[&'a str]) -> Vec<&'a str> {
    let above = paths.iter().flat_map(|path| path.match_indices('/').map(|(at, _)| &path[..at]));
    let mut folders: Vec<&str> = above.collect();
    folders.sort_unstable();
    folders.dedup();
    folders
}

/// The `/etc/os-release` of a Debian version.
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
    fn folders_come_after_their_parents() {
        let expect = ["a", "a/b", "dev", "lib", "proc", "run", "sys"];
        assert_eq!(folders(&["a/b/c", "a/d", "lib/x", "init"]), expect);
    }
}
