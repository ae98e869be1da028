//! The files in which loaders look for the kernel's own BTF: sysfs and kernel images, in libbpf's order.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::build_id::BuildId;
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

/// Whether the running kernel has BTF of its own.
///
/// Programs that attach by BTF (fentry, fexit, LSM, tp_btf, ...), struct_ops and kfuncs need it, even if a BTF is embedded. An app asks
/// this to choose between alternatives:
///
/// ```no_run
/// // The program that libbpf is not to load.
/// let unused = if btfgen_runtime::kernel_has_btf() { "on_read_kprobe" } else { "on_read_fentry" };
/// # let _ = unused;
/// ```
///
/// Only `/sys/kernel/btf/vmlinux` tells. The kernel exports its BTF there if it has it; a kernel image on disk, in which libbpf's
/// `btf__load_vmlinux_btf` looks next, is of no use to the kernel itself. `false` also where `/sys` is not mounted.
pub fn kernel_has_btf() -> bool {
    has_btf(Path::new("/"))
}

fn has_btf(root: &Path) -> bool {
    starts_like_btf(&root.join(SYSFS)).unwrap_or(false)
}

/// The paths of a kernel's images; none for a release that is not a file name.
pub(crate) fn kernel_images(root: &Path, release: &str) -> Vec<PathBuf> {
    if release.is_empty() || release == ".." || release.contains('/') {
        return Vec::new();
    }
    KERNEL_IMAGES.iter().map(|path| root.join(path.replace("RELEASE", release))).collect()
}

/// The BTF in a file.
pub(crate) struct BtfFile {
    pub(crate) btf: Vec<u8>,
    /// The build id in an ELF file's section `.notes`, which every `vmlinux` has, also the one of a debug package.
    pub(crate) build_id: Option<BuildId>,
}

/// Reads a BTF file, raw or the `.BTF` section of an ELF file, as libbpf's `btf__parse` does.
///
/// Unlike libbpf, checks only the header of the BTF; the loader parses the rest.
///
/// # Errors
/// If the file cannot be read or contains no BTF.
pub(crate) fn read_btf(path: &Path) -> io::Result<BtfFile> {
    let (btf, notes) = if starts_like_btf(path)? {
        (fs::read_up_to(path, elf::MAX_BTF as u64)?, None)
    } else {
        let file = File::open(path)?;
        let section = |name| elf::section(&|buffer, offset| file.read_exact_at(buffer, offset), name);
        let btf = section(b".BTF\0").map_err(|error| match error.kind() {
            ErrorKind::InvalidData => io::Error::new(ErrorKind::InvalidData, "not a BTF or ELF file"),
            ErrorKind::NotFound => io::Error::new(ErrorKind::NotFound, "ELF file without a .BTF section"),
            _ => error,
        })?;
        match section(b".notes\0") {
            Err(error) if error.kind() == ErrorKind::NotFound => (btf, None),
            notes => (btf, Some(notes?)),
        }
    };
    if !elf::is_btf(&btf) {
        return Err(io::Error::new(ErrorKind::InvalidData, "the BTF is malformed"));
    }
    // An ELF file's byte order is its BTF's.
    let big_endian = btf.first() == Some(&0xeb);
    let build_id = notes.and_then(|notes| BuildId::from_notes(&notes, big_endian));
    Ok(BtfFile { btf, build_id })
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
    fn only_sysfs_tells_of_btf_of_the_kernels_own() {
        let root = std::env::temp_dir().join(format!("btfgen-sysfs-{}", std::process::id()));
        let check = |file: &str, bytes: &[u8], expect: bool| {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(has_btf(&root), expect, "{file} {bytes:?}");
            std::fs::remove_dir_all(&root).unwrap();
        };
        check(SYSFS, &[0x9f, 0xeb, 1, 0], true);
        check(SYSFS, &[0xeb, 0x9f, 1, 0], true);
        check(SYSFS, b"", false);
        check(SYSFS, b"text", false);
        check("boot/vmlinux-6.1", &[0x9f, 0xeb, 1, 0], false);
        // This machine.
        assert_eq!(kernel_has_btf(), Path::new("/sys/kernel/btf/vmlinux").is_file());
    }

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
