//! Search: the files in which a loader looks for a kernel's own BTF, in libbpf's order.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::elf;

/// Where a kernel built with `CONFIG_DEBUG_INFO_BTF` shows its BTF, below the root.
pub(crate) const SYSFS: &str = "sys/kernel/btf/vmlinux";

/// The other places of libbpf's `btf__load_vmlinux_btf`, below the root, in its order.
pub(crate) fn kernel_files(root: &Path, release: &str) -> Vec<PathBuf> {
    if release.is_empty() || release.contains('/') || release == ".." {
        return Vec::new();
    }
    [
        ("boot/vmlinux-", "", ""),
        ("lib/modules/", "/vmlinux-", release),
        ("lib/modules/", "/build/vmlinux", ""),
        ("usr/lib/modules/", "/kernel/vmlinux", ""),
        ("usr/lib/debug/boot/vmlinux-", "", ""),
        ("usr/lib/debug/boot/vmlinux-", ".debug", ""),
        ("usr/lib/debug/lib/modules/", "/vmlinux", ""),
    ]
    .into_iter()
    .map(|(head, middle, tail)| root.join([head, release, middle, tail].concat()))
    .collect()
}

/// Reads a BTF file, raw or the `.BTF` section of an ELF file, as libbpf's `btf__parse` tells them apart.
///
/// Departs from it in that of the BTF itself only the header is checked here; the loader parses the rest.
///
/// # Errors
/// When the file cannot be read or holds no BTF.
pub(crate) fn read_btf(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut magic = [0u8; 2];
    file.read_exact(&mut magic)?;
    let btf = if matches!(magic, [0x9f, 0xeb] | [0xeb, 0x9f]) {
        file.seek(SeekFrom::Start(0))?;
        let mut bytes = Vec::new();
        file.take(elf::MAX_BTF).read_to_end(&mut bytes)?;
        bytes
    } else {
        elf::btf_section(&mut file)?.ok_or_else(|| io::Error::other("elf file without .BTF section"))?
    };
    if elf::is_btf(&btf) { Ok(btf) } else { Err(io::Error::other("damaged btf header")) }
}

/// Whether a file begins like a BTF; sysfs' file is 5 MB and the loader reads it anyway.
pub(crate) fn begins_like_btf(path: &Path) -> io::Result<bool> {
    let mut magic = [0u8; 3];
    File::open(path)?.read_exact(&mut magic)?;
    Ok(matches!(magic, [0x9f, 0xeb, 1] | [0xeb, 0x9f, 1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_libbpfs_in_its_order() {
        let files = kernel_files(Path::new("/"), "R");
        let expect = [
            "/boot/vmlinux-R",
            "/lib/modules/R/vmlinux-R",
            "/lib/modules/R/build/vmlinux",
            "/usr/lib/modules/R/kernel/vmlinux",
            "/usr/lib/debug/boot/vmlinux-R",
            "/usr/lib/debug/boot/vmlinux-R.debug",
            "/usr/lib/debug/lib/modules/R/vmlinux",
        ];
        assert_eq!(files, expect.map(PathBuf::from));
        assert!(kernel_files(Path::new("/"), "../etc").is_empty());
    }
}
