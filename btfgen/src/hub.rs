//! `btfgen hub`: what is in a hub file, one kernel out of it, and several made one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use btfgen_core::hub::KernelFilter;
use btfgen_core::hub::file::{HubBuilder, HubFile, HubStat, KernelRecord};
use btfgen_core::{KernelId, files};
use serde::Serialize;

use crate::args::HubCommand;
use crate::output::{self, print, print_json, table};
use crate::plot::Plot;
use crate::{Outcome, Result};

pub(crate) fn run(command: HubCommand) -> Result<Outcome> {
    match command {
        HubCommand::List { hub, json } => list(&hub, json)?,
        HubCommand::Stat { hub, json, svg } => stat(&hub, json, svg.as_deref())?,
        HubCommand::Extract { hub, kernel, output } => extract(&hub, &kernel, &output)?,
        HubCommand::Merge { hubs, output, level } => merge(&hubs, &output, level)?,
    }
    Ok(Outcome::Done)
}

#[derive(Serialize)]
struct Line {
    kernel: String,
    provenance: String,
    sha256: String,
    /// Bytes of the source BTF.
    bytes: u64,
    endian: String,
    pointer_size: u8,
}

impl Line {
    fn new(record: &KernelRecord) -> Self {
        Self {
            kernel: record.id.to_string(),
            provenance: record.provenance.clone(),
            sha256: record.sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
            bytes: record.size,
            endian: record.model.endian.to_string(),
            pointer_size: record.model.pointer_size,
        }
    }
}

#[derive(Serialize)]
struct Stat {
    kernels: usize,
    /// Named types, counted for each kernel.
    types: u64,
    distinct_types: u64,
    /// Bytes of the source BTFs.
    source_bytes: u64,
    /// Bytes of the hub file.
    bytes: u64,
    /// Stored bytes by column.
    columns: BTreeMap<&'static str, usize>,
    /// Kernels by `<distro>/<version>/<arch>`.
    folders: BTreeMap<String, usize>,
    /// For each number of kernels their types and distinct types.
    growth: Vec<(u64, u64)>,
}

/// Opens a hub file and does something with it; errors name the file.
fn with<T>(path: &Path, job: impl FnOnce(&HubFile) -> Result<T>) -> Result<T> {
    let named = |error: &dyn std::error::Error| {
        let causes = std::iter::successors(Some(error), |error| error.source());
        let causes: Vec<String> = causes.map(ToString::to_string).collect();
        format!("hub file {}: {}", path.display(), causes.join(": "))
    };
    let hub = HubFile::open(output::read(path)?).map_err(|error| named(&error))?;
    job(&hub).map_err(|error| named(&*error).into())
}

/// Lists a hub tree too: what a build would see in it.
fn list(path: &Path, json: bool) -> Result<()> {
    if path.is_dir() {
        let listing = files::list(path)?;
        for note in &listing.notes {
            eprintln!("note: {note}");
        }
        let ids: Vec<String> = listing.kernels.iter().map(|kernel| kernel.id.to_string()).collect();
        return if json { print_json(&ids) } else { print(&(ids.join("\n") + "\n")) };
    }
    with(path, |hub| {
        if json {
            return print_json(&hub.kernels().iter().map(Line::new).collect::<Vec<_>>());
        }
        let lines: String = hub.kernels().iter().flat_map(|kernel| [kernel.id.as_str(), "\n"]).collect();
        print(&lines)
    })
}

fn stat(path: &Path, json: bool, svg: Option<&Path>) -> Result<()> {
    with(path, |hub| {
        let HubStat { kernels, types, distinct, source_bytes, bytes, growth, .. } = hub.stat()?;
        let plot = Plot { points: growth.iter().map(|kernels| kernels.distinct).collect() };
        if let Some(svg) = svg {
            output::write(svg, plot.svg().as_bytes())?;
        }
        let mut folders = BTreeMap::new();
        let growth = growth.iter().map(|kernels| (kernels.types, kernels.distinct)).collect();
        for KernelRecord { id, .. } in hub.kernels() {
            *folders.entry(format!("{}/{}/{}", id.distro(), id.version(), id.arch())).or_default() += 1;
        }
        let columns = hub.columns().map(|column| (column.name, column.stored)).collect();
        let stat =
            Stat { kernels, types, distinct_types: distinct, source_bytes, bytes, columns, folders, growth };
        if json { print_json(&stat) } else { print(&(stat.text() + "\n" + &plot.text())) }
    })
}

impl Stat {
    fn text(&self) -> String {
        let row = |name: &str, value: &dyn std::fmt::Display| vec![name.to_owned(), value.to_string()];
        let per = |bytes: u64| bytes.checked_div(self.kernels as u64).unwrap_or(0);
        let mut rows = vec![
            row("kernels", &self.kernels),
            row("types", &self.types),
            row("distinct types", &self.distinct_types),
            row("bytes of the source BTFs", &self.source_bytes),
            row("bytes of the hub file", &self.bytes),
            row("bytes a kernel", &per(self.bytes)),
        ];
        rows.extend(self.folders.iter().map(|(folder, kernels)| row(&format!("  {folder}"), kernels)));
        table(&rows)
    }
}

fn extract(path: &Path, kernel: &KernelId, to: &Path) -> Result<()> {
    with(path, |hub| {
        if hub.find(kernel).is_none() {
            // An id is not a glob: what is special in one stands for itself here. The error names near kernels.
            let glob = [kernel.as_str().replace(['*', '?', '['], "?")];
            KernelFilter::new(&glob, &[], &[])?.select(hub.kernels().iter().map(|record| &record.id))?;
        }
        output::write(to, &hub.extract(kernel)?)
    })
}

fn merge(paths: &[PathBuf], to: &Path, level: i32) -> Result<()> {
    let mut builder = HubBuilder::new();
    for path in paths {
        with(path, |hub| Ok(builder.add_hub(hub)?))?;
    }
    output::write(to, &builder.finish(level)?)
}
