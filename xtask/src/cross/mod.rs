//! Cross: builds for other architectures, in chroots of Debian testing with cross compilers and libraries.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::architecture::Architecture;
use crate::shell::{self, Outcome, cargo, on_path};
use crate::{corpus, files, setup};

/// The folder of the chroots, from the workspace's root.
const FOLDER: &str = "target/kernels/cross";
/// The Debian suite. Its Rust is new enough, and it has Rust's standard library for each architecture.
const SUITE: &str = "testing";
/// What a build for any architecture needs.
const TOOLS: [&str; 6] = ["clang", "gcc", "libc6-dev", "llvm", "make", "pkgconf"];
/// Static linking: guests need no libraries. Debian's libelf requires zstd. The linker warns of getaddrinfo, which is unused.
const RUSTFLAGS: &str = "-Ctarget-feature=+crt-static -Clink-arg=-lzstd -Alinker-messages";

/// This machine's own, of Debian's package `busybox-static`.
pub(crate) const NATIVE_BUSYBOX: &str = "/bin/busybox";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The architecture to build for
    #[arg(value_name = "ARCH", value_parser = Architecture::find)]
    architecture: &'static Architecture,
}

/// Runs `cargo xtask cross`.
pub(crate) fn run(options: &Options) -> Outcome {
    if options.architecture.is_native() {
        return Err("this machine is of that architecture, and builds for it without a chroot".into());
    }
    let started = Instant::now();
    let chroot = Chroot::open(options.architecture)?;
    println!("chroot: {}", chroot.folder.display());
    match &chroot.rust {
        Some(rust) => println!("Rust:   {}, for {}", rust.display(), options.architecture.rust_target),
        None => println!("Rust:   Debian's, for {}", options.architecture.rust_target),
    }
    println!("ready after {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// Why chroots cannot be used here, if so.
pub(crate) fn obstacle() -> Option<String> {
    if !shell::is_root() {
        return Some("needs root, for a chroot with cross compilers".to_owned());
    }
    let namespace = shell::works("unshare", &["--mount", "true"]);
    (!namespace).then(|| "cannot make a mount namespace, for a chroot with cross compilers".to_owned())
}

/// Builds for an architecture: with this machine's tools, or in a chroot.
pub(crate) struct Toolchain {
    pub(crate) architecture: &'static Architecture,
    chroot: Option<Chroot>,
}

impl Toolchain {
    pub(crate) fn open(architecture: &'static Architecture) -> Outcome<Self> {
        let chroot = if architecture.is_native() { None } else { Some(Chroot::open(architecture)?) };
        Ok(Self { architecture, chroot })
    }

    /// The cargo that builds for the architecture, in the workspace's root.
    pub(crate) fn cargo(&self) -> Outcome<Command> {
        self.chroot.as_ref().map_or_else(|| Ok(cargo()), Chroot::cargo)
    }

    /// The shared libraries that a program is linked with; in a chroot all programs are linked statically.
    pub(crate) fn libraries(&self, program: &Path) -> Outcome<Vec<String>> {
        if self.chroot.is_some() { Ok(Vec::new()) } else { shell::libraries(program) }
    }

    /// A statically linked busybox.
    pub(crate) fn busybox(&self) -> PathBuf {
        match &self.chroot {
            Some(chroot) => chroot.folder.join("usr/bin/busybox"),
            None => PathBuf::from(NATIVE_BUSYBOX),
        }
    }
}

/// A chroot with what a build for one architecture needs.
struct Chroot {
    architecture: &'static Architecture,
    folder: PathBuf,
    /// The toolchain in use on this machine, if rustup has the standard library; else Debian's is used.
    rust: Option<PathBuf>,
}

impl Chroot {
    /// Finds the chroot, and makes it if there is none or it lacks a package.
    fn open(architecture: &'static Architecture) -> Outcome<Self> {
        if let Some(obstacle) = obstacle() {
            return Err(obstacle.into());
        }
        let all = shell::root().join(FOLDER);
        let rust = rust_of_rustup(architecture.rust_target);
        let chroot = Self { architecture, folder: all.join(architecture.name), rust };
        // In the chroot cargo is offline.
        shell::run(cargo().args(["fetch", "--locked"]))?;
        let packages = chroot.packages().join(",");
        // Written last.
        let complete = all.join(format!("{}.packages", architecture.name));
        if fs::read_to_string(&complete).is_ok_and(|text| text == packages) {
            return Ok(chroot);
        }
        eprintln!("cross: making a chroot of Debian {SUITE} for {}: about 1 GB", architecture.name);
        setup::provide("mmdebstrap", "mmdebstrap", "chroots with cross compilers")?;
        files::empty_folder(&chroot.folder)?;
        let apt_options = all.join("apt.conf");
        // The proxies of this machine, and what else it needs to reach its mirror.
        let acquire = shell::read(Command::new("apt-config").args(["dump", "--no-empty", "Acquire"]))?;
        files::write(&apt_options, acquire.as_bytes())?;
        let native = shell::read(Command::new("dpkg").arg("--print-architecture"))?;
        let mut mmdebstrap = Command::new("mmdebstrap");
        mmdebstrap.args(["--mode=root", "--variant=essential"]);
        mmdebstrap.arg(format!("--architectures={},{}", native.trim(), architecture.debian));
        mmdebstrap.arg(format!("--aptopt={}", apt_options.display()));
        mmdebstrap.arg(format!("--include={packages}"));
        mmdebstrap.arg(SUITE).arg(&chroot.folder).arg(corpus::mirrors()?.main);
        shell::run(&mut mmdebstrap)?;
        files::write(&complete, packages.as_bytes())?;
        Ok(chroot)
    }

    fn packages(&self) -> Vec<String> {
        let Architecture { debian, gnu, .. } = self.architecture;
        let mut packages: Vec<String> = TOOLS.map(str::to_owned).into();
        packages.push(format!("gcc-{}", gnu.replace('_', "-")));
        packages.extend(["busybox-static", "libelf-dev", "zlib1g-dev"].map(|it| format!("{it}:{debian}")));
        if self.rust.is_none() {
            packages.extend(["cargo".to_owned(), "rustc".to_owned(), format!("libstd-rust-dev:{debian}")]);
        }
        packages
    }

    /// The cargo in the chroot.
    fn cargo(&self) -> Outcome<Command> {
        let root = shell::root();
        let home = env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| Some(env::home_dir()?.join(".cargo"))).ok_or("no home folder")?;

        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "xtask/src/cross/enter.sh"]);
        command.current_dir(&root).arg(&self.folder);
        for folder in
            [Path::new("/dev"), Path::new("/proc"), &root, &home].into_iter().chain(self.rust.as_deref())
        {
            command.arg(folder);
        }
        command.args(["--", "cargo"]);

        let Architecture { rust_target, gnu, .. } = self.architecture;
        let of_toolchain = self.rust.iter().map(|rust| rust.join("bin"));
        command.env("PATH", env::join_paths(of_toolchain.chain(["/usr/bin".into(), "/usr/sbin".into()]))?);
        command.env("CARGO_HOME", home).env("CARGO_NET_OFFLINE", "true");
        // Build scripts are linked with the libraries of Debian testing, so that chroots share them, but not with this machine.
        command.env("CARGO_TARGET_DIR", root.join(FOLDER).join("target"));
        command.env("CARGO_BUILD_TARGET", rust_target).env("RUSTFLAGS", RUSTFLAGS);
        let linker = format!("CARGO_TARGET_{}_LINKER", rust_target.to_uppercase().replace('-', "_"));
        command.env(linker, format!("{gnu}-gcc"));
        Ok(command)
    }
}

/// The toolchain in use, with the standard library for a target, if rustup can install that.
fn rust_of_rustup(target: &str) -> Option<PathBuf> {
    if !on_path("rustup") {
        return None;
    }
    shell::run(Command::new("rustup").args(["target", "add", target])).ok()?;
    let sysroot = shell::read(Command::new("rustc").args(["--print", "sysroot"])).ok()?;
    Some(PathBuf::from(sysroot.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_is_debians_unless_rustup_has_the_target() {
        let check = |arch: &str, rust: Option<&str>, expect: &[&str]| {
            let architecture = Architecture::find(arch).unwrap();
            let chroot = Chroot { architecture, folder: PathBuf::new(), rust: rust.map(PathBuf::from) };
            assert_eq!(chroot.packages()[TOOLS.len()..], *expect, "{arch} {rust:?}");
        };
        let libraries = ["busybox-static:s390x", "libelf-dev:s390x", "zlib1g-dev:s390x"];
        let with_rustup = [&["gcc-s390x-linux-gnu"][..], &libraries].concat();
        check("s390x", Some("/toolchain"), &with_rustup);
        let rust = ["cargo", "rustc", "libstd-rust-dev:s390x"];
        check("s390x", None, &[&with_rustup[..], &rust].concat());
        let x86_64 = ["gcc-x86-64-linux-gnu", "busybox-static:amd64", "libelf-dev:amd64", "zlib1g-dev:amd64"];
        check("x86_64", Some("/toolchain"), &x86_64);
    }
}
