//! Setup: installs what the other tasks need and this machine lacks.

use std::path::Path;
use std::process::Command;

use crate::shell::{self, Outcome, on_path};

/// Something that a task needs.
struct Need {
    what: &'static str,
    there: fn() -> bool,
    /// Debian's and Ubuntu's names.
    packages: &'static [&'static str],
    for_what: &'static str,
    /// Without it the tasks still run, with something left out.
    optional: bool,
}

const NEEDS: &[Need] = &[
    Need {
        what: "a C compiler with its headers",
        there: || on_path("cc") && Path::new("/usr/include/stdio.h").exists(),
        packages: &["gcc", "libc6-dev"],
        for_what: "libbpf",
        optional: false,
    },
    Need {
        what: "make",
        there: || on_path("make"),
        packages: &["make"],
        for_what: "libbpf",
        optional: false,
    },
    Need {
        what: "pkg-config",
        there: || on_path("pkg-config"),
        packages: &["pkg-config"],
        for_what: "libbpf",
        optional: false,
    },
    Need {
        what: "libelf's headers",
        there: || Path::new("/usr/include/libelf.h").exists(),
        packages: &["libelf-dev"],
        for_what: "libbpf",
        optional: false,
    },
    Need {
        what: "zlib's headers",
        there: || Path::new("/usr/include/zlib.h").exists(),
        packages: &["zlib1g-dev"],
        for_what: "libbpf",
        optional: false,
    },
    Need {
        what: "clang",
        there: || on_path("clang"),
        packages: &["clang"],
        for_what: "the eBPF programs",
        optional: false,
    },
    Need {
        what: "llvm-strip",
        there: || on_path("llvm-strip"),
        packages: &["llvm"],
        for_what: "the eBPF programs",
        optional: false,
    },
    Need {
        what: "unshare and mount",
        there: || on_path("unshare") && on_path("mount"),
        packages: &["util-linux", "mount"],
        for_what: "hiding the kernel's BTF in the demo",
        optional: false,
    },
    Need {
        what: "xz",
        there: || on_path("xz"),
        packages: &["xz-utils"],
        for_what: "making test data",
        optional: true,
    },
    Need {
        what: "bpftool",
        // Ubuntu's is a wrapper that fails when there is none for the running kernel.
        there: || shell::works("bpftool", &["version"]) || shell::works("/usr/sbin/bpftool", &["version"]),
        packages: &["bpftool"],
        for_what: "comparing with `bpftool gen min_core_btf`",
        optional: true,
    },
    Need {
        what: "clang 19",
        there: || on_path("clang-19") && on_path("llvm-strip-19"),
        packages: &["clang-19", "llvm-19"],
        for_what: "checking that the committed objects are what their sources give",
        optional: true,
    },
    Need {
        what: "QEMU for x86",
        there: || on_path("qemu-system-x86_64"),
        packages: &["qemu-system-x86"],
        for_what: "booting Debian's kernels",
        optional: true,
    },
    Need {
        what: "a statically linked busybox",
        there: || on_path("busybox"),
        packages: &["busybox-static"],
        for_what: "booting Debian's kernels",
        optional: true,
    },
];

/// `cargo xtask setup`.
pub(crate) fn run(_args: &[String]) -> Outcome {
    rust_components()?;
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !(need.there)()).collect();
    if missing.is_empty() {
        eprintln!("setup: everything is there");
        return Ok(());
    }
    for need in &missing {
        eprintln!("setup: {} is missing ({})", need.what, need.for_what);
    }
    let packages = |optional: bool| -> Vec<&str> {
        let needs = missing.iter().filter(|need| need.optional == optional);
        needs.flat_map(|need| need.packages).copied().collect()
    };
    let (required, optional) = (packages(false), packages(true));
    let Some(become_root) = way_to_root().filter(|_| on_path("apt-get")) else {
        if required.is_empty() {
            return Ok(());
        }
        return Err(advice(&required, &optional).into());
    };
    apt_get(&become_root, &["update", "-qq"])?;
    if !required.is_empty() {
        install(&become_root, &required)?;
    }
    for package in optional {
        if let Err(error) = install(&become_root, &[package]) {
            eprintln!("setup: going on without {package}: {error}");
        }
    }
    let absent: Vec<&str> =
        NEEDS.iter().filter(|need| !need.optional && !(need.there)()).map(|need| need.what).collect();
    if absent.is_empty() { Ok(()) } else { Err(format!("still missing: {}", absent.join(", ")).into()) }
}

/// Adds what a minimal Rust toolchain leaves out.
fn rust_components() -> Outcome {
    for (component, args) in [("rustfmt", ["fmt", "--version"]), ("clippy", ["clippy", "--version"])] {
        if shell::works("cargo", &args) {
            continue;
        }
        if !on_path("rustup") {
            return Err(format!("{component} is missing: install it for the toolchain in use").into());
        }
        shell::run(Command::new("rustup").args(["component", "add", component]))?;
    }
    Ok(())
}

/// The words to put before a command that needs root, if there are any that ask no password.
fn way_to_root() -> Option<Vec<&'static str>> {
    if shell::is_root() {
        Some(vec![])
    } else if shell::works("sudo", &["-n", "true"]) {
        Some(vec!["sudo", "-n"])
    } else {
        None
    }
}

fn install(become_root: &[&str], packages: &[&str]) -> Outcome {
    apt_get(become_root, &[&["install", "-y", "-qq", "--no-install-recommends"], packages].concat())
}

fn apt_get(become_root: &[&str], args: &[&str]) -> Outcome {
    let words = [become_root, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"], args].concat();
    let [program, rest @ ..] = &words[..] else { return Ok(()) };
    shell::run(Command::new(program).args(rest))
}

fn advice(required: &[&str], optional: &[&str]) -> String {
    let mut text = format!(
        "cannot install packages here (this needs Debian or Ubuntu, and root or sudo without a password)\n\
         on Debian and Ubuntu run:  apt-get install {}",
        required.join(" ")
    );
    if !optional.is_empty() {
        text += &format!("\nuseful as well:            apt-get install {}", optional.join(" "));
    }
    text += "\nelsewhere install what was named above under your distribution's names, for instance on Fedora:\n\
             \x20 dnf install gcc make pkgconf-pkg-config elfutils-libelf-devel zlib-devel clang llvm util-linux xz bpftool";
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
        assert!(!advice(&["clang"], &[]).contains("useful"));
    }
}
