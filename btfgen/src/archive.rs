//! `btfgen archive`: lists, counts and extracts the kernels of an archive.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use btfgen_core::hub::Near;
use btfgen_core::{KernelId, files};
use btfgen_runtime::Archive;
use serde::Serialize;

use crate::args::ArchiveCommand;
use crate::output::{kernels_by_folder, print, print_json, print_table};

pub(crate) fn run(command: ArchiveCommand) -> Result<()> {
    let (ArchiveCommand::List { archive: path, .. }
    | ArchiveCommand::Stat { archive: path, .. }
    | ArchiveCommand::Extract { archive: path, .. }) = &command;
    let bytes = files::read(path)?;
    let run = || {
        let archive = Archive::open(&bytes)?;
        match &command {
            ArchiveCommand::List { json, .. } => list(&archive, *json),
            ArchiveCommand::Stat { json, .. } => stat(&archive, bytes.len(), *json),
            ArchiveCommand::Extract { kernel, output, .. } => extract(&archive, kernel, output),
        }
    };
    run().with_context(|| path.display().to_string())
}

#[derive(Serialize)]
struct Line {
    kernel: String,
    /// Index of its BTF; kernels with the same BTF have the same index.
    blob: Option<usize>,
    /// First 16 bytes of its build id; none if the archive does not have it.
    build_id: Option<String>,
}

#[derive(Serialize)]
struct Stat {
    kernels: usize,
    /// Number of distinct BTFs.
    blobs: usize,
    /// Bytes of the archive.
    bytes: usize,
    /// Bytes of the distinct BTFs, unpacked.
    unpacked: usize,
    /// Digests of the objects that the archive was made for.
    objects: Vec<String>,
    /// Kernels by `<distro>/<version>/<arch>`.
    folders: BTreeMap<String, usize>,
}

fn list(archive: &Archive<'_>, json: bool) -> Result<()> {
    let mut kernels: Vec<KernelId> = archive.kernels().collect();
    kernels.sort();
    if !json {
        return print(&kernels.iter().map(|id| format!("{id}\n")).collect::<String>());
    }
    let line = |id: &KernelId| Line {
        kernel: id.to_string(),
        blob: archive.blob_of(id),
        build_id: archive.build_id_of(id).map(|build_id| build_id.to_string()),
    };
    print_json(&kernels.iter().map(line).collect::<Vec<_>>())
}

fn stat(archive: &Archive<'_>, bytes: usize, json: bool) -> Result<()> {
    let mut unpacked = 0;
    for blob in 0..archive.blob_count() {
        unpacked += archive.blob(blob)?.len();
    }
    let folders = kernels_by_folder(archive.kernels());
    let objects = archive.objects().map(|digest| digest.to_string()).collect();
    let (kernels, blobs) = (archive.len(), archive.blob_count());
    let stat = Stat { kernels, blobs, bytes, unpacked, objects, folders };
    if json { print_json(&stat) } else { stat.print() }
}

impl Stat {
    fn print(&self) -> Result<()> {
        let row = |name: &str, value: usize| (name.to_owned(), value.to_string());
        let mut rows = vec![
            row("kernels", self.kernels),
            row("distinct BTFs", self.blobs),
            row("bytes", self.bytes),
            row("bytes of the distinct BTFs", self.unpacked),
        ];
        rows.extend(self.objects.iter().map(|digest| ("object digest".to_owned(), digest.clone())));
        rows.extend(self.folders.iter().map(|(folder, &kernels)| row(&format!("  {folder}"), kernels)));
        print_table(rows)
    }
}

fn extract(archive: &Archive<'_>, kernel: &KernelId, output: &Path) -> Result<()> {
    let kernels: Vec<KernelId> = archive.kernels().collect();
    let near = || Near::to(kernel.as_str(), &kernels.iter().collect::<Vec<_>>());
    let btf = archive.get(kernel)?.with_context(|| format!("no kernel {kernel}; {}", near()))?;
    Ok(files::write(output, &btf)?)
}
