//! Modules: the split BTF of the kernel modules in a package.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::io::Read;
use std::ops::ControlFlow;

use btfgen_core::btf::{Btf, relocate};

use super::codec::unpacked;
use super::error::ImportError;
use super::image::{ModuleBtf, module_btf};
use super::package::{self, Entry};

/// Most bytes of one module, unpacked.
const MODULE_LIMIT: u64 = 256 << 20;

/// Most bytes of the list of modules that are built in; it has about 20,000.
const LIST_LIMIT: u64 = 1 << 20;

/// Most modules with BTF; a distribution's kernel has about 4,000.
const MAX_MODULES: usize = 1 << 14;

/// Most bytes of BTF of all modules; those of a distribution's kernel have about 20 MB.
const TOTAL_LIMIT: u64 = 512 << 20;

/// A module's BTF, whose type ids continue the kernel's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// The module's name as the kernel writes it, with underscores.
    pub name: String,
    /// Its split BTF, over the kernel's.
    pub btf: Vec<u8>,
}

/// Which modules are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedModules {
    /// None.
    None,
    /// All that have BTF.
    All,
    /// Those of these names.
    Named(BTreeSet<String>),
}

impl WantedModules {
    /// The modules of these names, in which `-` and `_` are equal; without names all.
    pub fn named(names: &[String]) -> Self {
        if names.is_empty() {
            Self::All
        } else {
            Self::Named(names.iter().map(|name| canonical(name)).collect())
        }
    }

    /// Whether a module is read.
    pub(super) fn contains(&self, name: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Named(names) => names.contains(name),
        }
    }

    /// Checks that every named module is one of these; `known` are the names of all modules that are there.
    pub(super) fn check(&self, have: &BTreeSet<String>, known: &BTreeSet<String>) -> Result<(), ImportError> {
        let Self::Named(names) = self else { return Ok(()) };
        match names.difference(have).next() {
            None => Ok(()),
            Some(name) => Err(ImportError::NoModule { name: name.clone(), known: summary(known, name) }),
        }
    }
}

/// The number of modules, and the names that are most like this one.
fn summary(known: &BTreeSet<String>, name: &str) -> String {
    let shared = |other: &str| other.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
    let mut nearest: Vec<&str> = known.iter().map(String::as_str).collect();
    nearest.sort_by_key(|other| Reverse(shared(other)));
    match known.len() {
        0 => "none".to_owned(),
        1..=5 => nearest.join(", "),
        count => format!("{count}, such as {}", nearest[..5].join(", ")),
    }
}

/// Reads the split BTF of modules in a `.deb` or `.rpm` stream, ordered by name. `kernel` is the kernel's BTF.
///
/// Modules without BTF are skipped. A named module may also be built into the kernel.
///
/// # Errors
/// When the package or a module in it is malformed, or a named module is not in it.
pub fn read_modules<R: Read>(
    package: R,
    wanted: &WantedModules,
    kernel: &[u8],
) -> Result<Vec<Module>, ImportError> {
    let mut modules: Vec<Module> = Vec::new();
    let (mut have, mut known) = (BTreeSet::new(), BTreeSet::new());
    let mut total = 0;
    package::walk(package, &mut |_, file| {
        if file.path.ends_with("/modules.builtin") {
            let list = file.read(LIST_LIMIT)?;
            // Lines such as `kernel/fs/ext4/ext4.ko`.
            have.extend(String::from_utf8_lossy(&list).lines().filter_map(file_name));
            return Ok(ControlFlow::Continue(()));
        }
        let Some(name) = module_name(file.path) else { return Ok(ControlFlow::Continue(())) };
        if wanted.contains(&name)
            && let Some(btf) = module_btf(&read_module(file)?)?
        {
            total += btf.split.len() as u64;
            if modules.len() == MAX_MODULES {
                return Err(ImportError::TooManyModules { limit: MAX_MODULES });
            }
            if total > TOTAL_LIMIT {
                return Err(ImportError::TooLarge { what: "the modules' BTF".into(), limit: TOTAL_LIMIT });
            }
            modules.push(Module { btf: over_kernel(&name, btf, kernel)?, name: name.clone() });
            have.insert(name.clone());
        }
        known.insert(name);
        Ok(ControlFlow::Continue(()))
    })?;
    modules.sort_by(|a, b| a.name.cmp(&b.name));
    modules.dedup_by(|a, b| a.name == b.name);
    wanted.check(&have, &known)?;
    Ok(modules)
}

/// A module's split BTF, over the kernel's.
fn over_kernel(name: &str, module: ModuleBtf, kernel: &[u8]) -> Result<Vec<u8>, ImportError> {
    let ModuleBtf { split, distilled: Some(distilled) } = module else { return Ok(module.split) };
    let kernel = Btf::parse(kernel).map_err(Into::into);
    kernel
        .and_then(|kernel| relocate(&split, &distilled, &kernel))
        .map_err(|source| ImportError::Module { module: name.to_owned(), source })
}

/// A module's name as the kernel writes it (`KBUILD_MODNAME`).
fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

/// The name of the module with this path in a package.
fn module_name(path: &str) -> Option<String> {
    let path = path.strip_prefix("usr/").unwrap_or(path);
    file_name(path.strip_prefix("lib/modules/")?)
}

/// The name of the module in this file.
fn file_name(path: &str) -> Option<String> {
    let (_, file) = path.rsplit_once('/')?;
    let stem = [".ko", ".ko.xz", ".ko.zst", ".ko.gz"].iter().find_map(|suffix| file.strip_suffix(suffix))?;
    Some(canonical(stem)).filter(|name| !name.is_empty())
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
        let files: [(&str, &[u8]); 6] = [
            ("./boot/vmlinuz-6.1", b"image"),
            ("./lib/modules/6.1/modules.builtin", b"kernel/fs/built-in.ko\nkernel/fs/proc.ko\n"),
            ("./lib/modules/6.1/kernel/net/z-last.ko", &plain),
            ("./lib/modules/6.1/kernel/fs/first.ko.xz", &packed),
            ("./lib/modules/6.1/kernel/fs/bare.ko", &none),
            ("./lib/modules/6.1/modules.dep", b"text"),
        ];
        let package = deb(Codec::Zstd, CONTROL, &files);
        let read = |wanted| read_modules(package.as_slice(), &wanted, &[]);
        let [first, last] =
            [("first", two), ("z_last", one)].map(|(name, btf)| Module { name: name.into(), btf });
        assert_eq!(read(WantedModules::All).unwrap(), [first, last.clone()]);
        let named = |name: &str| WantedModules::named(&[name.to_owned()]);
        assert_eq!(read(named("z-last")).unwrap(), read(named("z_last")).unwrap());
        assert_eq!(read(named("z_last")).unwrap(), [last]);
        assert_eq!(read(named("built-in")).unwrap(), []);
        for absent in ["z", "bare"] {
            let error = read(named(absent)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("no module {absent} with BTF; there are ")), "{error}");
        }
    }

    #[test]
    fn names_the_damaged_module() {
        let files: [(&str, &[u8]); 1] = [("./lib/modules/6.1/kernel/a.ko.xz", b"\xfd7zXZ\0 damaged")];
        let package = deb(Codec::Gzip, CONTROL, &files);
        let error = read_modules(package.as_slice(), &WantedModules::All, &[]).unwrap_err();
        assert_eq!(error.to_string(), "cannot read lib/modules/6.1/kernel/a.ko.xz");
    }

    #[test]
    fn summarizes_the_modules_that_are_there() {
        let check = |known: &[&str], expect| {
            let known = known.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(summary(&known, "overlai"), expect);
        };
        check(&[], "none");
        check(&["ext4", "overlay"], "overlay, ext4");
        let many = ["a", "b", "c", "d", "e", "over", "overlay"];
        check(&many, "7, such as overlay, over, a, b, c");
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
