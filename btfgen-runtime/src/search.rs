//! Search: the files in which a loader looks for a kernel's own BTF, in libbpf's order.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::elf;
use crate::fs::{self, below};
use crate::text::{cut, has, join};

/// Where a kernel built with `CONFIG_DEBUG_INFO_BTF` shows its BTF, below the root.
pub(crate) const SYSFS: &str = "sys/kernel/btf/vmlinux";

/// The other places of libbpf's `btf__load_vmlinux_btf`, below the root, in its order: `R` is the release.
const KERNEL_FILES: [&str; 7] = [
    "boot/vmlinux-R",
    "lib/modules/R/vmlinux-R",
    "lib/modules/R/build/vmlinux",
    "usr/lib/modules/R/kernel/vmlinux",
    "usr/lib/debug/boot/vmlinux-R",
    "usr/lib/debug/boot/vmlinux-R.debug",
    "usr/lib/debug/lib/modules/R/vmlinux",
];

/// The kernel images that may hold the BTF of a release; none for a release that would leave the folders.
pub(crate) fn kernel_files<'a>(root: &'a Path, release: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
    let count =
        if release.is_empty() || release == ".." || has(release, "/") { 0 } else { KERNEL_FILES.len() };
    KERNEL_FILES.iter().take(count).map(move |place| kernel_file(root, release, place))
}

#[inline(never)]
fn kernel_file(root: &Path, release: &str, place: &str) -> PathBuf {
    let (mut path, mut rest) = (String::new(), place);
    while let Some((before, after)) = cut(rest, "R") {
        path = join(&[&path, before, release]);
        rest = after;
    }
    below(root, &join(&[&path, rest]))
}

/// Reads a BTF file, raw or the `.BTF` section of an ELF file, as libbpf's `btf__parse` tells them apart.
///
/// Departs from it in that of the BTF itself only the header is checked here; the loader parses the rest.
///
/// # Errors
/// When the file cannot be read or holds no BTF.
#[inline(never)]
pub(crate) fn read_btf(path: &Path) -> io::Result<Vec<u8>> {
    let btf = match begins_like_btf(path) {
        Ok(()) => fs::read(path, elf::MAX_BTF)?,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            let file = fs::open(path, OFlags::RDONLY, Mode::empty())?;
            elf::btf_section(&|buffer, offset| file.read_exact_at(buffer, offset))?
        }
        Err(error) => return Err(error),
    };
    if elf::is_btf(&btf) { Ok(btf) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// Whether a file begins like a BTF: sysfs' file is 5 MB, and the loader reads it anyway.
///
/// # Errors
/// When the file cannot be read; [`io::ErrorKind::InvalidData`] when it begins otherwise.
#[inline(never)]
pub(crate) fn begins_like_btf(path: &Path) -> io::Result<()> {
    let mut magic = [0u8; 3];
    fs::open(path, OFlags::RDONLY, Mode::empty())?.read_exact_at(&mut magic, 0)?;
    let begins = matches!(magic, [0x9f, 0xeb, 1] | [0xeb, 0x9f, 1]);
    if begins { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_libbpfs_in_its_order() {
        let files: Vec<PathBuf> = kernel_files(Path::new("/"), "6.1.0-R").collect();
        let expect = [
            "/boot/vmlinux-6.1.0-R",
            "/lib/modules/6.1.0-R/vmlinux-6.1.0-R",
            "/lib/modules/6.1.0-R/build/vmlinux",
            "/usr/lib/modules/6.1.0-R/kernel/vmlinux",
            "/usr/lib/debug/boot/vmlinux-6.1.0-R",
            "/usr/lib/debug/boot/vmlinux-6.1.0-R.debug",
            "/usr/lib/debug/lib/modules/6.1.0-R/vmlinux",
        ];
        assert_eq!(files, expect.map(PathBuf::from));
        assert!(kernel_files(Path::new("/"), "../etc").next().is_none());
    }
}
