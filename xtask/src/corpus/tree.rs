//! Tree: the files of the collected hub tree.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::engine::KernelId;
use crate::files;
use crate::shell::Outcome;

/// Packages read at once: one is downloaded while another's kernel is unpacked.
pub(super) const JOBS: usize = 2;
/// Compression level of the files.
const LEVEL: i32 = 9;
/// The package that each kernel came from.
const PACKAGES: &str = "packages.tsv";

/// The file of a kernel.
pub(super) fn file(tree: &Path, id: &KernelId) -> PathBuf {
    tree.join(format!("{id}.btf.zst"))
}

/// Writes a kernel's BTF and the name of its package.
pub(super) fn add(tree: &Path, id: &KernelId, btf: &[u8], package: &str) -> Outcome {
    files::write(&file(tree, id), &zstd::bulk::compress(btf, LEVEL)?)?;
    let line = format!("{id}\t{package}\n");
    // A single write of a short line to a file opened for appending is not torn by other threads.
    File::options().create(true).append(true).open(tree.join(PACKAGES))?.write_all(line.as_bytes())?;
    Ok(())
}

/// The package that each kernel of the tree came from.
pub(super) fn packages(tree: &Path) -> Outcome<BTreeMap<KernelId, String>> {
    let list = tree.join(PACKAGES);
    let text = if list.exists() { fs::read_to_string(&list)? } else { String::new() };
    let parse = |line: &str| -> Outcome<(KernelId, String)> {
        let (id, package) =
            line.split_once('\t').ok_or_else(|| format!("{}: invalid line {line:?}", list.display()))?;
        Ok((id.parse()?, package.to_owned()))
    };
    text.lines().map(parse).collect()
}
