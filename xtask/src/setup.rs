//! Setup: what the tasks need of this machine; `cargo xtask setup` installs it.

use std::path::Path;
use std::process::Command;

use crate::publish::can_make_environments;
use crate::shell::{self, Outcome, on_path};

/// Something that a task needs.
struct Need {
    what: &'static str,
    is_installed: fn() -> bool,
    /// Debian's and Ubuntu's names.
    packages: &'static [&'static str],
    purpose: &'static str,
}

const fn need(
    what: &'static str,
    is_installed: fn() -> bool,
    packages: &'static [&'static str],
    purpose: &'static str,
) -> Need {
    Need { what, is_installed, packages, purpose }
}

/// What a program with libbpf-rs, and `cargo xtask demo`, need.
#[rustfmt::skip]
const TO_BUILD: [Need; 7] = [
    need("a C compiler with its headers", has_c_compiler, &["gcc", "libc6-dev"], "libbpf"),
    need("make", || on_path("make"), &["make"], "libbpf"),
    need("pkg-config", || on_path("pkg-config"), &["pkg-config"], "libbpf"),
    need("libelf's headers", || Path::new("/usr/include/libelf.h").exists(), &["libelf-dev"], "libbpf"),
    need("zlib's headers", || Path::new("/usr/include/zlib.h").exists(), &["zlib1g-dev"], "libbpf"),
    need("clang", || on_path("clang"), &["clang"], "the eBPF programs"),
    need("unshare and mount", || on_path("unshare") && on_path("mount"), &["util-linux", "mount"], "hiding BTF in the demo"),
];

/// Components of Rust that distributions have as packages of their own.
#[rustfmt::skip]
const TO_CHECK: [Need; 2] = [
    need("rustfmt", || shell::works("cargo", &["fmt", "--version"]), &["rustfmt"], "the format of the code"),
    need("clippy", || shell::works("cargo", &["clippy", "--version"]), &["rust-clippy"], "lints"),
];

/// Without these the tasks still run, and skip something.
#[rustfmt::skip]
const OPTIONAL: [Need; 9] = [
    need("llvm-strip", || on_path("llvm-strip"), &["llvm"], "smaller objects"),
    need("xz", || on_path("xz"), &["xz-utils"], "making test data"),
    need("bpftool", has_bpftool, &["bpftool"], "comparing with `bpftool gen min_core_btf`"),
    need("clang 19", has_clang_19, &["clang-19", "llvm-19"], "comparing the committed objects with their sources"),
    need("Chromium", || on_path("chromium") && on_path("chromedriver"), &["chromium", "chromium-driver"], "the report's page in a browser"),
    need("QEMU for x86", || on_path("qemu-system-x86_64"), &["qemu-system-x86"], "booting Debian's kernels"),
    need("Python with venv", can_make_environments, &["python3-venv"], "checking licenses and deployment files"),
    need("a C++ compiler", || shell::works("c++", &["--version"]), &["g++"], "fuzzing"),
    need("a statically linked busybox", || on_path("busybox"), &["busybox-static"], "booting Debian's kernels"),
];

fn has_clang_19() -> bool {
    on_path("clang-19") && on_path("llvm-strip-19")
}

fn has_c_compiler() -> bool {
    on_path("cc") && Path::new("/usr/include/stdio.h").exists()
}

/// Whether bpftool runs: Ubuntu's is a wrapper that fails if there is none for the running kernel.
fn has_bpftool() -> bool {
    shell::works(shell::bpftool(), &["version"])
}

const CANNOT_INSTALL: &str =
    "cannot install packages here: this needs Debian or Ubuntu, and root or sudo without a password";

/// Runs `cargo xtask setup`.
pub(crate) fn run() -> Outcome {
    if on_path("rustup") {
        add_rust_components()?;
    }
    let missing_required = || [missing(&TO_BUILD), missing(&TO_CHECK)].concat();
    let (required, optional) = (missing_required(), missing(&OPTIONAL));
    if required.is_empty() && optional.is_empty() {
        eprintln!("setup: everything is installed");
        return Ok(());
    }
    report(required.iter().chain(&optional));
    let (required, optional) = (packages(&required), packages(&optional));
    let Some(prefix) = root_prefix().filter(|_| on_path("apt-get")) else {
        return if required.is_empty() {
            Ok(())
        } else {
            Err(format!("{CANNOT_INSTALL}\n{}", advice(&required, &optional)).into())
        };
    };
    apt_get(&prefix, &["update", "-qq"])?;
    if !required.is_empty() {
        install(&prefix, &required)?;
    }
    for package in optional {
        if let Err(error) = install(&prefix, &[package]) {
            eprintln!("setup: continuing without {package}: {error}");
        }
    }
    let absent: Vec<&str> = missing_required().iter().map(|need| need.what).collect();
    if absent.is_empty() { Ok(()) } else { Err(format!("still missing: {}", absent.join(", ")).into()) }
}

/// Fails if something is missing that building and loading eBPF programs needs. It installs nothing.
pub(crate) fn check_build() -> Outcome {
    let missing = missing(&TO_BUILD);
    if missing.is_empty() {
        return Ok(());
    }
    report(missing.iter());
    Err(format!("packages are missing\n{}", advice(&packages(&missing), &[])).into())
}

fn report<'n>(missing: impl Iterator<Item = &'n &'static Need>) {
    missing.for_each(|need| eprintln!("setup: missing: {} ({})", need.what, need.purpose));
}

/// Installs a package unless its program is on this machine.
pub(crate) fn provide(program: &str, package: &str, purpose: &str) -> Outcome {
    if on_path(program) {
        return Ok(());
    }
    eprintln!("setup: missing: {program} ({purpose})");
    let prefix = root_prefix()
        .filter(|_| on_path("apt-get"))
        .ok_or_else(|| format!("{CANNOT_INSTALL}\n{}", advice(&[package], &[])))?;
    apt_get(&prefix, &["update", "-qq"])?;
    install(&prefix, &[package])
}

fn missing(needs: &'static [Need]) -> Vec<&'static Need> {
    needs.iter().filter(|need| !(need.is_installed)()).collect()
}

fn packages(needs: &[&'static Need]) -> Vec<&'static str> {
    needs.iter().flat_map(|need| need.packages).copied().collect()
}

/// Adds the components that a minimal toolchain of rustup lacks.
fn add_rust_components() -> Outcome {
    missing(&TO_CHECK)
        .iter()
        .try_for_each(|need| shell::run(Command::new("rustup").args(["component", "add", need.what])))
}

/// The words before a command that needs root, if there is a way without a password.
fn root_prefix() -> Option<Vec<&'static str>> {
    if shell::is_root() {
        Some(vec![])
    } else if shell::works("sudo", &["-n", "true"]) {
        Some(vec!["sudo", "-n"])
    } else {
        None
    }
}

fn install(root_prefix: &[&str], packages: &[&str]) -> Outcome {
    apt_get(root_prefix, &[&["install", "-y", "-qq", "--no-install-recommends"], packages].concat())
}

fn apt_get(root_prefix: &[&str], args: &[&str]) -> Outcome {
    let words = [root_prefix, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"], args].concat();
    let [program, rest @ ..] = &words[..] else { return Ok(()) };
    shell::run(Command::new(program).args(rest))
}

fn advice(required: &[&str], optional: &[&str]) -> String {
    let mut text = format!("on Debian and Ubuntu run:  apt-get install {}", required.join(" "));
    if !optional.is_empty() {
        text += &format!("\noptional:                  apt-get install {}", optional.join(" "));
    }
    text += "\nelsewhere install the same under your distribution's names, for example on Fedora:\n\
             \x20 dnf install gcc make pkgconf-pkg-config elfutils-libelf-devel zlib-devel clang llvm util-linux xz bpftool \
             rustfmt clippy";
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_the_packages() {
        let text = advice(&["clang", "libelf-dev"], &["bpftool"]);
        assert!(text.contains("apt-get install clang libelf-dev\n"), "{text}");
        assert!(text.contains("apt-get install bpftool\n"), "{text}");
        assert!(!advice(&["clang"], &[]).contains("optional"));
    }
}
