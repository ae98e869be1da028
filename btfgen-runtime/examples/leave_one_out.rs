//! Measures inference: how often it is right if each kernel of an archive is left out in turn.
//!
//! `cargo run -p btfgen-runtime --example leave_one_out -- <ARCHIVE>...` prints for each archive how many kernels get their
//! own BTF, another one, or none; it fails if any gets another one.

use std::process::ExitCode;

use btfgen_runtime::{Archive, BuildIdPrefix, Catalog, Host, KernelId, OsRelease, select};

/// An archive without one of its kernels.
struct Without<'a> {
    archive: &'a Archive<'a>,
    missing: &'a KernelId,
}

impl Catalog for Without<'_> {
    fn visit(&self, visitor: &mut dyn FnMut(&str, Option<BuildIdPrefix>)) {
        self.archive.visit(&mut |id, build_id| {
            if id != self.missing.as_str() {
                visitor(id, build_id);
            }
        });
    }

    fn same(&self, a: &KernelId, b: &KernelId) -> bool {
        self.archive.same(a, b)
    }
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut code = ExitCode::SUCCESS;
    for file in std::env::args().skip(1) {
        let bytes = std::fs::read(&file)?;
        let archive = Archive::open(&bytes)?;
        let (mut right, mut wrong, mut none) = (0, 0, 0);
        for kernel in archive.kernels() {
            let os_release = format!("ID={}\nVERSION_ID={}\n", kernel.distro(), kernel.version());
            let host = Host {
                release: kernel.release().to_owned(),
                machine: kernel.arch().to_owned(),
                os_release: Some(OsRelease::parse(&os_release)),
                ..Host::default()
            };
            match select(&host, &Without { archive: &archive, missing: &kernel }, true) {
                Ok(answer) if archive.same(&answer.kernel, &kernel) => right += 1,
                Ok(answer) => {
                    println!("{kernel}: wrong, {}", answer.reasons.join("; "));
                    (wrong, code) = (wrong + 1, ExitCode::FAILURE);
                }
                Err(_) => none += 1,
            }
        }
        println!("{file}: {} kernels, {right} right, {wrong} wrong, {none} without an answer", archive.len());
    }
    Ok(code)
}
