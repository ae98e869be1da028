//! `btfgen archive`: what is in an archive, and one BTF out of it.

use std::collections::BTreeMap;
use std::path::Path;

use btfgen_core::KernelId;
use btfgen_core::hub::KernelFilter;
use btfgen_runtime::Archive;
use serde::Serialize;

use crate::args::ArchiveCommand;
use crate::output::{self, print, print_json, table};
use crate::{Outcome, Result};

pub(crate) fn run(command: ArchiveCommand) -> Result<Outcome> {
    match command {
        ArchiveCommand::List { archive, json } => list(&archive, json)?,
        ArchiveCommand::Stat { archive, json } => stat(&archive, json)?,
        ArchiveCommand::Extract { archive, kernel, output } => extract(&archive, &kernel, &output)?,
    }
    Ok(Outcome::Done)
}

#[derive(Serialize)]
struct Line {
    kernel: String,
    /// Kernels with the same number share one BTF.
    blob: usize,
}

#[derive(Serialize)]
struct Stat {
    kernels: usize,
    blobs: usize,

    /// Bytes of the archive.
    bytes: usize,
    /// Bytes of the distinct BTFs, unpacked.
    unpacked: usize,
    /// Digests of the objects that it was made for.
    objects: Vec<String>,
    /// Kernels by `<distro>/<version>/<arch>`.
    folders: BTreeMap<String, usize>,
}

/// Opens an archive and does something with it; errors name the file.
fn with<T>(path: &Path, job: impl FnOnce(&Archive<'_>, &[u8]) -> Result<T>) -> Result<T> {
    let bytes = output::read(path)?;
    let named = |error: &dyn std::fmt::Display| format!("archive {}: {error}", path.display());
    let archive = Archive::open(&bytes).map_err(|error| named(&error))?;
    job(&archive, &bytes).map_err(|error| named(&error).into())
}

fn list(path: &Path, json: bool) -> Result<()> {
    with(path, |archive, _| {
        if !json {
            let lines: String = archive.kernels().map(|id| format!("{id}\n")).collect();
            return print(&lines);
        }
        let line = |kernel: KernelId| Line {
            blob: archive.blob_of(&kernel).unwrap_or(0),
            kernel: kernel.to_string(),
        };
        print_json(&archive.kernels().map(line).collect::<Vec<_>>())
    })
}

fn stat(path: &Path, json: bool) -> Result<()> {
    with(path, |archive, bytes| {
        let mut unpacked = 0;
        for blob in archive.blobs()? {
            unpacked += blob?.len();
        }
        let mut folders = BTreeMap::new();
        for id in archive.kernels() {
            *folders.entry(format!("{}/{}/{}", id.distro(), id.version(), id.arch())).or_default() += 1;
        }
        let objects = archive.objects().map(|digest| digest.to_string()).collect();
        let stat = Stat {
            kernels: archive.len(),
            blobs: archive.blob_count(),
            bytes: bytes.len(),
            unpacked,
            objects,
            folders,
        };
        if json { print_json(&stat) } else { print(&stat.text()) }
    })
}

impl Stat {
    fn text(&self) -> String {
        let row = |name: &str, value: &dyn std::fmt::Display| vec![name.to_owned(), value.to_string()];
        let mut rows = vec![
            row("kernels", &self.kernels),
            row("distinct BTFs", &self.blobs),
            row("bytes", &self.bytes),
            row("bytes unpacked", &self.unpacked),
            row("objects", &self.objects.join(" ")),
        ];
        rows.extend(self.folders.iter().map(|(folder, kernels)| row(&format!("  {folder}"), kernels)));
        table(&rows)
    }
}

fn extract(path: &Path, kernel: &KernelId, to: &Path) -> Result<()> {
    with(path, |archive, _| match archive.get(kernel)? {
        Some(btf) => output::write(to, &btf),
        None => {
            let kernels: Vec<KernelId> = archive.kernels().collect();
            // An id is not a glob: what is special in one stands for itself here.
            let glob = [kernel.as_str().replace(['*', '?', '['], "?")];
            KernelFilter::new(&glob, &[], &[])?.select(&kernels)?;
            Err(format!("no kernel {kernel}").into())
        }
    })
}
