//! Modules: what a guest needs to load two modules and to read their types, with an archive made from the kernel's package.
//!
//! Module tcp_bic defines a struct that the kernel defines differently, so that a second candidate would be ambiguous.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::guest::File;
use super::package_index::PackageIndex;
use crate::engine::{BTFGEN, KernelId};
use crate::shell::{self, Outcome, cargo};

/// The modules, which need no others, with their paths below the kernel's folder.
const MODULES: [(&str, &str); 2] =
    [("overlay", "fs/overlayfs/overlay.ko"), ("tcp_bic", "net/ipv4/tcp_bic.ko")];

/// The files that the guest of this kernel gets.
pub(super) fn files(index: &PackageIndex, id: &KernelId, scratch: &Path) -> Outcome<Vec<File>> {
    fs::create_dir_all(scratch)?;
    let package = index.package(id)?;
    let [object, hub, archive, stripped] =
        ["modules.bpf.o", "modules.hub", "modules.archive", "read_modules"].map(|name| scratch.join(name));
    let mut clang = Command::new("clang");
    clang.args(["-g", "-O2", "-target", "bpf", "-c", "xtask/src/kernels/modules.bpf.c", "-o"]).arg(&object);
    shell::run(clang.current_dir(shell::root()))?;

    let built = shell::build(cargo().arg("build").args(BTFGEN))?;
    let names = MODULES.map(|(name, _)| name).join(",");
    let mut vendor = Command::new(built.executable()?);
    vendor.arg("vendor").arg(format!("--modules={names}")).arg(&package).arg("-o").arg(&hub);
    shell::run(vendor.arg("--as").arg(id.as_str()))?;
    let mut pack = Command::new(built.executable()?);
    shell::run(pack.arg("pack").arg(&object).arg("--hub").arg(&hub).arg("-o").arg(&archive))?;

    let reader = shell::build(cargo().args(["build", "--package", "oracle", "--example", "read_modules"]))?;
    let reader = reader.executable()?;
    shell::read(Command::new("llvm-strip").arg("-o").arg(&stripped).arg(reader))?;

    let file = |path: &str, content| File { path: path.to_owned(), content };
    let mut files = vec![
        file("bin/read_modules", fs::read(stripped)?),
        file("modules/object", fs::read(object)?),
        file("modules/archive", fs::read(archive)?),
    ];
    for library in shell::libraries(reader)? {
        files.push(file(library.trim_start_matches('/'), fs::read(&library)?));
    }
    for (name, path) in MODULES {
        let path = format!("./lib/modules/{}/kernel/{path}", id.release());
        files.push(file(&format!("modules/{name}.ko"), packaged(&package, &path)?));
    }
    Ok(files)
}

/// A file in a Debian package.
fn packaged(package: &Path, path: &str) -> Outcome<Vec<u8>> {
    let mut dpkg =
        Command::new("dpkg-deb").arg("--fsys-tarfile").arg(package).stdout(Stdio::piped()).spawn()?;
    let tar = dpkg.stdout.take().ok_or("dpkg-deb has no standard output")?;
    let output = Command::new("tar").args(["-xO", path]).stdin(tar).stderr(Stdio::inherit()).output()?;
    dpkg.wait()?;
    if output.stdout.is_empty() {
        Err(format!("{}: no {path}", package.display()).into())
    } else {
        Ok(output.stdout)
    }
}
