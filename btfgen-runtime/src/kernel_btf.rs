//! The files in which loaders look for the kernel's own BTF: sysfs and kernel images, in libbpf's order.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::{elf, fs};

/// Where a kernel built with `CONFIG_DEBUG_INFO_BTF` exports its BTF, below the root.
pub(crate) const SYSFS: &str = "sys/kernel/btf/vmlinux";

/// The kernel images that libbpf's `btf__load_vmlinux_btf` tries, in its order, below the root.
const KERNEL_IMAGES: [&str; 7] = [
    "boot/vmlinux-RELEASE",
    "lib/modules/RELEASE/vmlinux-RELEASE",
    "lib/modules/RELEASE/build/vmlinux",
    "usr/lib/modules/RELEASE/kernel/vmlinux",
    "usr/lib/debug/boot/vmlinux-RELEASE",
    "usr/lib/debug/boot/vmlinux-RELEASE.debug",
    "usr/lib/debug/lib/modules/RELEASE/vmlinux",
];

/// The paths of a kernel's images; none for a release that is not a file name.
pub(crate) fn kernel_images(root: &Path, release: &str) -> Vec<PathBuf> {
    if release.is_empty() || release == ".." || release.contains('/') {
        return Vec::new();
    }
    KERNEL_IMAGES.iter().map(|path| root.join(path.replace("RELEASE", release))).collect()
}

/// Reads a BTF file, raw or the `.BTF` section of an ELF file, as libbpf's `btf__parse` does.
///
/// Unlike libbpf, checks only the header of the BTF; the loader parses the rest.
///
/// # Errors
/// If the file cannot be read or contains no BTF.
pub(crate) fn read_btf(path: &Path) -> io::Result<Vec<u8>> {
    let btf = if starts_like_btf(path)? {
        fs::read_up_to(path, elf::MAX_BTF as u64)?
    } else {
        let file = File::open(path)?;
        let section = elf::section(&|buffer, offset| file.read_exact_at(buffer, offset), b".BTF\0");
        section.map_err(|error| match error.kind() {
            ErrorKind::InvalidData => io::Error::new(ErrorKind::InvalidData, "not a BTF or ELF file"),
            ErrorKind::NotFound => io::Error::new(ErrorKind::NotFound, "ELF file without a .BTF section"),
            _ => error,
        })?
    };
    if elf::is_btf(&btf) {
        Ok(btf)
    } else {
        Err(io::Error::new(ErrorKind::InvalidData, "the BTF is malformed"))
    }
}

/// Whether a file starts like a BTF, in either byte order.
///
/// # Errors
/// If the file cannot be read.
pub(crate) fn starts_like_btf(path: &Path) -> io::Result<bool> {
    let mut start = [0u8; 3];
    File::open(path)?.read_exact_at(&mut start, 0)?;
    Ok(matches!(start, [0x9f, 0xeb, 1] | [0xeb, 0x9f, 1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_libbpfs_in_its_order() {
        let expect = [
            "/boot/vmlinux-6.1.0-R",
            "/lib/modules/6.1.0-R/vmlinux-6.1.0-R",
            "/lib/modules/6.1.0-R/build/vmlinux",
            "/usr/lib/modules/6.1.0-R/kernel/vmlinux",
            "/usr/lib/debug/boot/vmlinux-6.1.0-R",
            "/usr/lib/debug/boot/vmlinux-6.1.0-R.debug",
            "/usr/lib/debug/lib/modules/6.1.0-R/vmlinux",
        ];
        assert_eq!(kernel_images(Path::new("/"), "6.1.0-R"), expect.map(PathBuf::from));
        assert_eq!(kernel_images(Path::new("/"), "../etc"), Vec::<PathBuf>::new());
    }
}
