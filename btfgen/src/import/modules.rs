//! Modules: the split BTF of the kernel modules in a package.

use std::io::Read;
use std::ops::ControlFlow;

use super::codec::unpacked;
use super::error::ImportError;
use super::image::module_btf;
use super::package::{self, Entry};

/// Most bytes of one module, unpacked.
const MODULE_LIMIT: u64 = 256 << 20;

/// Most bytes of BTF of all modules; those of a distribution's kernel have about 20 MB.
const TOTAL_LIMIT: u64 = 512 << 20;

/// A module's BTF, whose type ids continue the kernel's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// The module's name as the kernel writes it, with underscores.
    pub name: String,
    /// The bytes of its `.BTF` section.
    pub btf: Vec<u8>,
}

/// Reads the split BTF of every module in a `.deb` or `.rpm` stream, ordered by name.
///
/// The whole package is read. Modules without BTF are skipped.
///
/// # Errors
/// When the package or a module in it is malformed.
pub fn read_modules<R: Read>(package: R) -> Result<Vec<Module>, ImportError> {
    let mut modules = Vec::new();
    let mut total = 0;
    package::walk(package, &mut |_, file| {
        if let Some(name) = module_name(file.path)
            && let Some(btf) = module_btf(&read_module(file)?)?
        {
            total += btf.len() as u64;
            if total > TOTAL_LIMIT {
                return Err(ImportError::TooLarge { what: "the modules' BTF".into(), limit: TOTAL_LIMIT });
            }
            modules.push(Module { name, btf });
        }
        Ok(ControlFlow::Continue(()))
    })?;
    modules.sort_by(|a, b| a.name.cmp(&b.name));
    modules.dedup_by(|a, b| a.name == b.name);
    Ok(modules)
}

/// The name of the module with this path in a package.
fn module_name(path: &str) -> Option<String> {
    let path = path.strip_prefix("usr/").unwrap_or(path);
    let (_, file) = path.strip_prefix("lib/modules/")?.rsplit_once('/')?;
    let stem = [".ko", ".ko.xz", ".ko.zst", ".ko.gz"].iter().find_map(|suffix| file.strip_suffix(suffix))?;
    // Same as KBUILD_MODNAME.
    Some(stem.replace('-', "_")).filter(|name| !name.is_empty())
}

/// Reads a module and unpacks it if it is compressed.
fn read_module(file: Entry<'_>) -> Result<Vec<u8>, ImportError> {
    let path = file.path;
    let bytes = file.read(MODULE_LIMIT)?;
    let mut module = Vec::new();
    let unpacked = unpacked(bytes.as_slice(), MODULE_LIMIT);
    unpacked.and_then(|mut reader| reader.read_to_end(&mut module)).map_err(ImportError::read(path))?;
    Ok(module)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::codec::Codec;
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
    fn finds_modules_by_path() {
        let check =
            |path: &str, expect: Option<&str>| assert_eq!(module_name(path).as_deref(), expect, "{path}");
        check("lib/modules/6.1/kernel/fs/xfs/xfs.ko", Some("xfs"));
        check("usr/lib/modules/6.1/kernel/snd-hda-intel.ko.zst", Some("snd_hda_intel"));
        check("lib/modules/6.1/kernel/.ko", None);
        check("lib/modules/6.1/modules.dep", None);
        check("boot/x.ko", None);
    }
}
