//! `btfgen vendor`: collects kernels from any sources into a hub file.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use btfgen::import::collect::{add_hub_file, read_kernels};
use btfgen::import::source::{ReadOptions, Source};
use btfgen_core::hub::KernelFilter;
use btfgen_core::hub::file::{HubBuilder, HubFile};
use btfgen_core::{KernelId, files};
use indicatif::ProgressBar;

use crate::args::{Shard, Vendor};
use crate::output::{count, progress_bar};

/// How often the unfinished hub file is written, so that an interrupted run can continue.
const SAVE_EVERY: Duration = Duration::from_secs(60);
/// Compression level of unfinished hub files.
const SAVE_LEVEL: i32 = 3;

/// Reports skipped sources and counts them.
struct Skipped {
    bar: ProgressBar,
    sources: usize,
}

impl Skipped {
    fn report(&mut self, source: &dyn fmt::Display, error: impl Into<anyhow::Error>) {
        self.sources += 1;
        self.bar.suspend(|| eprintln!("skipped {source}: {:#}", error.into()));
    }
}

pub(crate) fn run(args: &Vendor) -> Result<()> {
    let filter = args.kernels.filter()?;
    let Shard { index, shards } = args.shard;
    let mut skipped = Skipped { bar: progress_bar("vendoring"), sources: 0 };
    let mut hub =
        existing_hub(&args.output).with_context(|| format!("hub file {}", args.output.display()))?;
    let before = hub.len();

    let mut sources = Vec::new();
    for path in &args.sources {
        match Source::at(path) {
            Ok(source) => sources.push(source),
            Err(error) => skipped.report(&path.display(), error),
        }
    }
    sources.extend(args.this_host.then_some(Source::ThisHost));
    let mut kernels = Vec::new();
    for source in &sources {
        match (source, source.kernels(args.kernel.as_ref())) {
            // A hub file is added as a whole, so only by the first shard.
            (Source::Hub(path), Ok(_)) if index == 0 => {
                if let Err(error) = add_hub(&mut hub, path, &filter) {
                    skipped.report(source, error);
                }
            }
            (_, Ok(listed)) => kernels.extend(listed),
            (_, Err(error)) => skipped.report(source, error),
        }
    }
    let kernels: Vec<_> = kernels.into_iter().skip(index).step_by(shards).collect();

    let known: BTreeSet<KernelId> = hub.kernels().cloned().collect();
    let options = ReadOptions { wants: &|id| filter.wants(id) && !known.contains(id), modules: args.modules };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    skipped.bar.set_length(kernels.len() as u64);
    let mut saved = Instant::now();
    read_kernels(&kernels, &options, threads, |source, result| -> Result<()> {
        let added = match result {
            Ok(Some(kernel)) => kernel.add_to(&mut hub).map_err(anyhow::Error::from),
            Ok(None) => Ok(()),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = added {
            skipped.report(&source.label, error);
        }
        skipped.bar.inc(1);
        if saved.elapsed() > SAVE_EVERY {
            files::write(&args.output, &hub.finish(SAVE_LEVEL)?)?;
            saved = Instant::now();
        }
        Ok(())
    })?;
    skipped.bar.finish_and_clear();

    let skipped = match skipped.sources {
        0 => String::new(),
        sources => format!("; {} skipped", count(sources, "source")),
    };
    if hub.is_empty() && skipped.is_empty() {
        bail!("no kernel selected; check --include, --exclude, --arch and --shard");
    }
    if hub.is_empty() {
        bail!("no kernel found{skipped}");
    }
    let bytes = hub.finish(args.level.level)?;
    files::write_if_changed(&args.output, &bytes)?;
    let (path, kernels, new) = (args.output.display(), count(hub.len(), "kernel"), hub.len() - before);
    eprintln!("{path}: {kernels} ({new} new), {} bytes{skipped}", bytes.len());
    Ok(())
}

/// The hub file's kernels, or none if it does not exist yet.
fn existing_hub(path: &Path) -> Result<HubBuilder> {
    let mut hub = HubBuilder::new();
    if path.exists() {
        hub.add_hub(&HubFile::open(files::read(path)?)?)?;
    }
    Ok(hub)
}

fn add_hub(hub: &mut HubBuilder, path: &Path, filter: &KernelFilter) -> Result<()> {
    let file = HubFile::open(files::read(path)?)?;
    Ok(add_hub_file(hub, &file, &|id| filter.wants(id))?)
}
