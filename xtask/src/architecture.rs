//! Architecture: what it takes to build for each architecture, and to boot Debian's kernels of it under QEMU.

use std::env::consts::ARCH;

/// An architecture whose kernels are booted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Architecture {
    /// The hub's name.
    pub(crate) name: &'static str,
    /// Debian's name.
    pub(crate) debian: &'static str,
    /// The name at the end of Debian's kernel releases.
    pub(crate) release: &'static str,
    /// Names in Rust and in GNU compilers.
    pub(crate) rust_target: &'static str,
    pub(crate) gnu: &'static str,
    pub(crate) qemu: &'static str,
    pub(crate) qemu_package: &'static str,
    /// QEMU's options for a machine that all of Debian's kernels of this architecture boot on.
    pub(crate) machine: &'static [&'static str],
    /// The device that QEMU connects to its standard output.
    pub(crate) console: &'static str,
}

#[rustfmt::skip]
const ARCHITECTURES: [Architecture; 4] = [
    Architecture {
        name: "x86_64", debian: "amd64", release: "amd64",
        rust_target: "x86_64-unknown-linux-gnu", gnu: "x86_64-linux-gnu",
        qemu: "qemu-system-x86_64", qemu_package: "qemu-system-x86",
        machine: &[], console: "ttyS0",
    },
    Architecture {
        name: "arm64", debian: "arm64", release: "arm64",
        rust_target: "aarch64-unknown-linux-gnu", gnu: "aarch64-linux-gnu",
        qemu: "qemu-system-aarch64", qemu_package: "qemu-system-arm",
        // Only "max" has pages of 16 KB. QEMU's own algorithm for pointer authentication is much faster than Arm's.
        machine: &["-machine", "virt", "-cpu", "max,pauth-impdef=on"], console: "ttyAMA0",
    },
    Architecture {
        name: "ppc64le", debian: "ppc64el", release: "powerpc64le",
        rust_target: "powerpc64le-unknown-linux-gnu", gnu: "powerpc64le-linux-gnu",
        qemu: "qemu-system-ppc64", qemu_package: "qemu-system-ppc",
        // Without the mitigations that QEMU warns of, because it does not emulate them.
        machine: &[
            "-machine", "pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off", "-vga", "none",
        ],
        console: "hvc0",
    },
    Architecture {
        name: "s390x", debian: "s390x", release: "s390x",
        rust_target: "s390x-unknown-linux-gnu", gnu: "s390x-linux-gnu",
        qemu: "qemu-system-s390x", qemu_package: "qemu-system-s390x",
        machine: &["-machine", "s390-ccw-virtio", "-cpu", "max"], console: "ttysclp0",
    },
];

impl Architecture {
    /// Finds an architecture by the hub's name or Debian's.
    pub(crate) fn find(name: &str) -> Result<&'static Self, String> {
        let found = ARCHITECTURES.iter().find(|it| [it.name, it.debian].contains(&name));
        let names = ARCHITECTURES.map(|it| it.debian).join(", ");
        found.ok_or_else(|| format!("no kernels are booted for architecture {name}; use one of {names}"))
    }

    /// Whether this program is built for it.
    pub(crate) fn is_native(&self) -> bool {
        self.name == native()
    }
}

/// The hub's name of the architecture that this program is built for.
pub(crate) fn native() -> &'static str {
    match ARCH {
        "aarch64" => "arm64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        arch => arch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_found_by_either_name() {
        let check = |name: &str, expect: Option<&str>| {
            assert_eq!(Architecture::find(name).ok().map(|found| found.name), expect, "{name}");
        };
        check("ppc64el", Some("ppc64le"));
        check("ppc64le", Some("ppc64le"));
        check("amd64", Some("x86_64"));
        check("sparc", None);
        check("", None);
    }
}
