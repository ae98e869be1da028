//! Arch: the hub's names of architectures.

/// The hub's name of an architecture, from the name that `uname -m`, Debian, RPM or rustc has for it; none if unknown.
///
/// BTFHub names the 64-bit ones so. It has no kernel of `x86` and `arm`, the kernel's own names of the 32-bit ones.
pub fn hub_arch(name: &str) -> Option<&'static str> {
    Some(match name {
        "x86_64" | "amd64" | "x64" => "x86_64",
        "arm64" | "aarch64" => "arm64",
        "ppc64le" | "ppc64el" | "powerpc64le" => "ppc64le",
        "s390x" => "s390x",
        "x86" | "i386" | "i486" | "i586" | "i686" => "x86",
        "arm" | "armel" | "armhf" | "armv5tel" | "armv5tejl" | "armv6l" | "armv6hl" | "armv7l"
        | "armv7hl" | "armv8l" => "arm",
        "riscv64" => "riscv64",
        "loongarch64" | "loong64" => "loongarch64",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_machines_of_uname_and_of_packages() {
        let check = |expect: Option<&str>, names: &[&str]| {
            names.iter().for_each(|name| assert_eq!(hub_arch(name), expect, "{name}"));
        };
        check(Some("x86_64"), &["x86_64", "amd64"]);
        check(Some("arm64"), &["aarch64", "arm64"]);
        check(Some("ppc64le"), &["ppc64le", "ppc64el"]);
        check(Some("s390x"), &["s390x"]);
        check(Some("x86"), &["i686", "i586", "i386", "x86"]);
        check(Some("arm"), &["armv7l", "armv6l", "armv8l", "armv5tel", "armhf", "armel", "armv7hl", "arm"]);
        check(Some("riscv64"), &["riscv64"]);
        // Big-endian kernels are other ones.
        check(None, &["armv7b", "ppc64", "s390", "all", "noarch", ""]);
    }
}
