//! `btfgen hub`: lists, counts, extracts and merges the kernels of hubs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use btfgen_core::hub::file::{FunctionSummary, HubBuilder, HubFile, HubFileError, HubStat, KernelRecord};
use btfgen_core::hub::{Defect, Near};
use btfgen_core::{KernelId, files};
use serde::Serialize;

use crate::args::HubCommand;
use crate::output::{kernels_by_folder, print, print_json, print_table};

pub(crate) fn run(command: HubCommand) -> Result<()> {
    match command {
        HubCommand::List { hub, json } => list(&hub, json),
        HubCommand::Stat { hub, verbose, json } => with(&hub, |hub| stat(hub, verbose, json)),
        HubCommand::Extract { hub, kernel, output } => with(&hub, |hub| extract(hub, &kernel, &output)),
        HubCommand::Merge { hubs, output, level } => merge(&hubs, &output, level.level),
    }
}

/// A kernel of a hub file.
#[derive(Serialize)]
pub(crate) struct Line {
    kernel: String,
    /// 40 hexadecimal digits.
    build_id: Option<String>,
    provenance: String,
    sha256: String,
    /// Bytes of the source BTF.
    bytes: u64,
    endian: String,
    pointer_size: u8,
    defects: Vec<&'static str>,
    /// `yes`, `no` or `unknown`.
    ships_btf: &'static str,
    /// Number of its functions; none if they are not known.
    functions: Option<usize>,
    /// Number of those that are known to be attachable; none if there are none.
    attachable: Option<usize>,
}

impl Line {
    fn new(record: &KernelRecord, functions: usize, attachable: usize) -> Self {
        Self {
            kernel: record.id.to_string(),
            build_id: record.build_id.map(|id| id.to_string()),
            provenance: record.provenance.clone(),
            sha256: record.sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
            bytes: record.size,
            endian: record.model.endian.to_string(),
            pointer_size: record.model.pointer_size,
            defects: record.defects.iter().map(Defect::name).collect(),
            ships_btf: record.ships_btf.name(),
            functions: Some(functions).filter(|&functions| functions > 0),
            attachable: Some(attachable).filter(|&attachable| attachable > 0),
        }
    }
}

#[derive(Serialize)]
struct Stat {
    kernels: usize,
    /// Named types, counted for each kernel.
    types: u64,
    distinct_types: u64,
    /// Functions, counted for each kernel.
    functions: u64,
    distinct_functions: usize,
    /// Kernels that ship BTF: `yes`, `no` and `unknown`.
    ships_btf: BTreeMap<&'static str, usize>,
    /// Kernels with functions that are known to be attachable.
    kernels_with_attachable: usize,
    /// Bytes of the source BTFs.
    source_bytes: u64,
    /// Bytes of the hub file.
    bytes: u64,
    /// Stored bytes by column.
    columns: BTreeMap<&'static str, usize>,
    /// Kernels by `<distro>/<version>/<arch>`.
    folders: BTreeMap<String, usize>,
    /// Kernels with each defect of their BTF.
    defects: BTreeMap<&'static str, usize>,
    /// For each number of kernels their types and distinct types.
    growth: Vec<(u64, u64)>,
}

/// Opens a hub file and runs `job` with it; errors name the file.
fn with<T>(path: &Path, job: impl FnOnce(&HubFile) -> Result<T>) -> Result<T> {
    let is_file = !path.is_dir();
    ensure!(is_file, "{0} is a folder; make a hub file with \"btfgen vendor {0} -o FILE\"", path.display());
    let bytes = files::read(path)?;
    let run = || job(&HubFile::open(bytes)?);
    run().with_context(|| format!("hub file {}", path.display()))
}

/// Lists a hub file, or a hub tree as a build sees it.
fn list(path: &Path, json: bool) -> Result<()> {
    if path.is_dir() {
        let listing = files::list(path)?;
        for note in &listing.notes {
            eprintln!("note: {note}");
        }
        let ids: Vec<&str> = listing.kernels.iter().map(|kernel| kernel.id.as_str()).collect();
        return if json { print_json(&ids) } else { print_lines(ids) };
    }
    with(path, |hub| match json {
        true => print_json(&lines(hub)?),
        false => print_lines(hub.kernels().iter().map(|kernel| kernel.id.as_str())),
    })
}

/// What a hub file records of each of its kernels.
pub(crate) fn lines(hub: &HubFile) -> Result<Vec<Line>, HubFileError> {
    let FunctionSummary { of_kernels, attachable, .. } = hub.function_summary()?;
    let lines = hub.kernels().iter().zip(of_kernels).zip(attachable);
    Ok(lines.map(|((record, functions), attachable)| Line::new(record, functions, attachable)).collect())
}

fn print_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<()> {
    print(&lines.into_iter().flat_map(|line| [line, "\n"]).collect::<String>())
}

fn stat(hub: &HubFile, verbose: bool, json: bool) -> Result<()> {
    let HubStat { kernels, types, distinct: distinct_types, source_bytes, bytes, growth, .. } = hub.stat()?;
    let folders = kernels_by_folder(hub.kernels().iter().map(|record| record.id.clone()));
    let columns = hub.columns().map(|column| (column.name, column.stored)).collect();
    let mut defects = BTreeMap::new();
    for defect in hub.kernels().iter().flat_map(|record| record.defects.iter()) {
        *defects.entry(defect.name()).or_default() += 1;
    }
    let mut ships_btf = BTreeMap::new();
    hub.kernels().iter().for_each(|record| *ships_btf.entry(record.ships_btf.name()).or_default() += 1);
    let summary = hub.function_summary()?;
    let growth = growth.iter().map(|growth| (growth.types, growth.distinct)).collect();
    let stat = Stat {
        kernels,
        types,
        distinct_types,
        functions: summary.of_kernels.iter().map(|&functions| functions as u64).sum(),
        distinct_functions: summary.distinct,
        ships_btf,
        kernels_with_attachable: summary.attachable.iter().filter(|&&functions| functions > 0).count(),
        source_bytes,
        bytes,
        columns,
        folders,
        defects,
        growth,
    };
    if json {
        return print_json(&stat);
    }
    stat.print()?;
    let noted = hub.kernels().iter().filter(|record| verbose && !record.defects.is_empty());
    print(&noted.map(|record| format!("note: {}: {}\n", record.id, record.defects)).collect::<String>())
}

impl Stat {
    fn print(&self) -> Result<()> {
        let row = |name: &str, value: u64| (name.to_owned(), value.to_string());
        let mut rows = vec![
            row("kernels", self.kernels as u64),
            row("types", self.types),
            row("distinct types", self.distinct_types),
            row("functions", self.functions),
            row("distinct functions", self.distinct_functions as u64),
            row("kernels with attachable functions", self.kernels_with_attachable as u64),
            row("bytes of the source BTFs", self.source_bytes),
            row("bytes of the hub file", self.bytes),
            row("bytes per kernel", self.bytes.checked_div(self.kernels as u64).unwrap_or(0)),
        ];
        rows.extend(
            self.folders.iter().map(|(folder, &kernels)| row(&format!("  {folder}"), kernels as u64)),
        );
        let ships_btf = self.ships_btf.iter();
        rows.extend(
            ships_btf
                .map(|(answer, &kernels)| row(&format!("kernels that ship BTF: {answer}"), kernels as u64)),
        );
        let defects = self.defects.iter();
        rows.extend(
            defects.map(|(name, &kernels)| row(&format!("kernels with defect {name}"), kernels as u64)),
        );
        print_table(rows)
    }
}

fn extract(hub: &HubFile, kernel: &KernelId, output: &Path) -> Result<()> {
    let near =
        || Near::to(kernel.as_str(), &hub.kernels().iter().map(|record| &record.id).collect::<Vec<_>>());
    ensure!(hub.find(kernel).is_some(), "no kernel {kernel}; {}", near());
    Ok(files::write(output, &hub.extract(kernel)?)?)
}

fn merge(paths: &[PathBuf], output: &Path, level: i32) -> Result<()> {
    let mut builder = HubBuilder::new();
    for path in paths {
        with(path, |hub| Ok(builder.add_hub(hub)?))?;
    }
    files::write_if_changed(output, &builder.finish(level)?)?;
    Ok(())
}
