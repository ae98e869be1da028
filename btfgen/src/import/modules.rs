//! Modules: the split BTF of a kernel's modules, from a package or from the running kernel.

use std::fs;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

use super::VendorError;
use super::codec::Codec;
use super::image::module_btf;
use super::package::{self, Entry};

/// Most bytes of one module, unpacked.
const MODULE_LIMIT: u64 = 256 << 20;

/// Most bytes of BTF of all modules; those of a distribution's kernel have about 20 MB.
const TOTAL_LIMIT: u64 = 512 << 20;

/// A module's BTF, whose type ids continue those of the kernel's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// The module's name as the kernel writes it, with underscores.
    pub name: String,
    /// The bytes of its `.BTF` section.
    pub btf: Vec<u8>,
}

/// Reads the split BTF of every module in a `.deb` or `.rpm` stream, ordered by name.
///
/// The whole package is read. Modules without BTF are left out.
///
/// # Errors
/// When the package or a module in it is damaged.
pub fn read_modules<R: Read>(package: R) -> Result<Vec<Module>, VendorError> {
    let mut modules = Vec::new();
    let mut total = 0;
    package::walk(package, &mut |_, Entry { path, content, .. }| {
        if let Some(name) = module_name(path)
            && let Some(btf) = module_btf(&read_module(path, content)?)?
        {
            total += btf.len() as u64;
            if total > TOTAL_LIMIT {
                return Err(VendorError::TooLarge { what: "the modules' BTF".into(), limit: TOTAL_LIMIT });
            }
            modules.push(Module { name, btf });
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(sorted(modules))
}

/// Reads the BTF of the running kernel's modules from a folder such as `/sys/kernel/btf`.
///
/// # Errors
/// When a file cannot be read.
pub fn host_modules(sys_kernel_btf: &Path) -> Result<Vec<Module>, VendorError> {
    let failed = |path: &Path| VendorError::read(path.display().to_string());
    let mut modules = Vec::new();
    for entry in fs::read_dir(sys_kernel_btf).map_err(failed(sys_kernel_btf))? {
        let path = entry.map_err(failed(sys_kernel_btf))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name != "vmlinux" {
            let btf = fs::read(&path).map_err(failed(&path))?;
            modules.push(Module { name, btf });
        }
    }
    Ok(sorted(modules))
}

fn sorted(mut modules: Vec<Module>) -> Vec<Module> {
    modules.sort_by(|a, b| a.name.cmp(&b.name));
    modules.dedup_by(|a, b| a.name == b.name);
    modules
}

/// The name of the module that has this path in a package.
fn module_name(path: &str) -> Option<String> {
    let path = path.strip_prefix("usr/").unwrap_or(path);
    let (_, file) = path.strip_prefix("lib/modules/")?.rsplit_once('/')?;
    let stem = [".ko", ".ko.xz", ".ko.zst", ".ko.gz"].iter().find_map(|suffix| file.strip_suffix(suffix))?;
    // As the kernel's build makes KBUILD_MODNAME.
    Some(stem.replace('-', "_")).filter(|name| !name.is_empty())
}

fn read_module(path: &str, content: &mut dyn Read) -> Result<Vec<u8>, VendorError> {
    let mut bytes = Vec::new();
    content.take(MODULE_LIMIT).read_to_end(&mut bytes).map_err(VendorError::read(path))?;
    let Some(codec) = Codec::sniff(&bytes) else { return Ok(bytes) };
    let mut unpacked = Vec::new();
    let decoded = codec
        .decoder(bytes.as_slice())
        .and_then(|decoder| decoder.take(MODULE_LIMIT).read_to_end(&mut unpacked));
    decoded.map_err(VendorError::read(path))?;
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::testing::{btf, compress, deb, elf};
    use btfgen_core::btf::Endian;

    const CONTROL: &str = "Package: linux-image-1\nVersion: 6.1.1-1\nArchitecture: amd64\n";

    #[test]
    fn reads_the_modules_of_a_package() {
        let (one, two) = (btf(Endian::Little, 3), btf(Endian::Little, 4));
        let plain = elf(Endian::Little, &[(".text", b"code"), (".BTF", &one)]);
        let packed = compress(Codec::Xz, &elf(Endian::Little, &[(".BTF", &two)]));
        let none = elf(Endian::Little, &[(".text", b"code")]);
        let files: [(&str, &[u8]); 5] = [
            ("./boot/vmlinuz-6.1", b"image"),
            ("./lib/modules/6.1/kernel/net/z-last.ko", &plain),
            ("./lib/modules/6.1/kernel/fs/first.ko.xz", &packed),
            ("./lib/modules/6.1/kernel/fs/bare.ko", &none),
            ("./lib/modules/6.1/modules.dep", b"text"),
        ];
        let got = read_modules(deb(Codec::Zstd, CONTROL, &files).as_slice()).unwrap();
        let expect = [Module { name: "first".into(), btf: two }, Module { name: "z_last".into(), btf: one }];
        assert_eq!(got, expect);
    }

    #[test]
    fn names_the_damaged_module() {
        let files: [(&str, &[u8]); 1] = [("./lib/modules/6.1/kernel/a.ko.xz", b"\xfd7zXZ\0 damaged")];
        let error = read_modules(deb(Codec::Gzip, CONTROL, &files).as_slice()).unwrap_err();
        assert_eq!(error.to_string(), "cannot read lib/modules/6.1/kernel/a.ko.xz");
    }

    #[test]
    fn reads_the_modules_of_a_host() {
        let folder = crate::import::temp::TempFolder::new().unwrap();
        for name in ["vmlinux", "xfs", "btrfs"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let names: Vec<String> =
            host_modules(folder.path()).unwrap().into_iter().map(|module| module.name).collect();
        assert_eq!(names, ["btrfs", "xfs"]);
    }

    #[test]
    fn tells_modules_from_other_files() {
        let check =
            |path: &str, expect: Option<&str>| assert_eq!(module_name(path).as_deref(), expect, "{path}");
        check("lib/modules/6.1/kernel/fs/xfs/xfs.ko", Some("xfs"));
        check("usr/lib/modules/6.1/kernel/snd-hda-intel.ko.zst", Some("snd_hda_intel"));
        check("lib/modules/6.1/kernel/.ko", None);
        check("lib/modules/6.1/modules.dep", None);
        check("boot/x.ko", None);
    }
}
