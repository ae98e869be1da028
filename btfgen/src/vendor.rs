//! `btfgen vendor`: collects kernels from any sources into a hub file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use btfgen::import::collect::{add_hub_file, read_kernels};
use btfgen::import::modules::WantedModules;
use btfgen::import::source::{ReadOptions, Source};
use btfgen_core::hub::file::{HubBuilder, HubFile, HubFileError};
use btfgen_core::hub::{Defects, KernelFilter};
use btfgen_core::{KernelId, files};
use indicatif::ProgressBar;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::args::{Shard, Vendor};
use crate::output::{count, progress_bar};

/// How often the unfinished hub file is written, so that a run that was killed can continue.
const SAVE_EVERY: Duration = Duration::from_secs(60);
/// Most sources with the same defects that are noted one by one.
const MAX_NOTES: usize = 5;
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
            (Source::Hub(path), Ok(_)) if index == 0 => match add_hub(&mut hub, path, &filter) {
                Ok(errors) => {
                    let kernels = format!("{} of {source}", count(errors.len(), "kernel"));
                    errors.into_iter().take(1).for_each(|first| skipped.report(&kernels, first));
                }
                Err(error) => skipped.report(source, error),
            },
            (_, Ok(listed)) => kernels.extend(listed),
            (_, Err(error)) => skipped.report(source, error),
        }
    }
    let kernels: Vec<_> = kernels.into_iter().skip(index).step_by(shards).collect();

    let known: BTreeMap<KernelId, String> =
        hub.kernels().map(|record| (record.id.clone(), record.provenance.clone())).collect();
    let modules = args.modules.as_deref().map_or(WantedModules::None, WantedModules::named);
    let options = ReadOptions {
        wants: &|id| filter.wants(id),
        has: &|id, provenance| known.get(id).is_some_and(|known| known == provenance),
        build_id: args.build_id,
        modules: &modules,
    };
    let mut notes: BTreeMap<Defects, Vec<String>> = BTreeMap::new();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    skipped.bar.set_length(kernels.len() as u64);
    let mut saved = Instant::now();
    let interrupted = interruption()?;
    let ended = read_kernels(&kernels, &options, threads, |source, result| -> Result<()> {
        let added = match result {
            Ok(Some(kernel)) => kernel.add_to(&mut hub).map_err(anyhow::Error::from).map(|()| {
                let defects = hub.record(&kernel.id).map(|record| record.defects).unwrap_or_default();
                if !defects.is_empty() {
                    notes.entry(defects).or_default().push(source.label.clone());
                }
            }),
            Ok(None) => Ok(()),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = added {
            skipped.report(&source.label, error);
        }
        skipped.bar.inc(1);
        if saved.elapsed() > SAVE_EVERY {
            save_unfinished(&hub, &args.output)?;
            saved = Instant::now();
        }
        ensure!(!interrupted.load(Ordering::Relaxed), "interrupted");
        Ok(())
    });
    skipped.bar.finish_and_clear();
    if ended.is_err() && interrupted.load(Ordering::Relaxed) {
        ensure!(!hub.is_empty(), "interrupted before the first kernel was read; nothing was written");
        save_unfinished(&hub, &args.output)?;
        let (path, kernels, new) = (args.output.display(), count(hub.len(), "kernel"), hub.len() - before);
        bail!("interrupted: {path} has {kernels} ({new} new); to continue, run the same command again");
    }
    ended?;
    notes.iter().for_each(|(defects, sources)| print_notes(*defects, sources));

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

/// Set by SIGINT or SIGTERM. A second one ends the process.
fn interruption() -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Actions run in this order: at the first signal, it is not set yet.
        flag::register_conditional_default(signal, Arc::clone(&interrupted))?;
        flag::register(signal, Arc::clone(&interrupted))?;
    }
    Ok(interrupted)
}

/// Writes the kernels so far, if there are any.
fn save_unfinished(hub: &HubBuilder, path: &Path) -> Result<()> {
    if !hub.is_empty() {
        files::write_if_changed(path, &hub.finish(SAVE_LEVEL)?)?;
    }
    Ok(())
}

/// Adds the kernels of a hub file, except those that are different in `hub`; returns why.
fn add_hub(hub: &mut HubBuilder, path: &Path, filter: &KernelFilter) -> Result<Vec<HubFileError>> {
    let file = HubFile::open(files::read(path)?)?;
    Ok(add_hub_file(hub, &file, &|id| filter.wants(id))?)
}

/// Prints what is bad about the BTF of some sources, a line for each if they are few.
fn print_notes(defects: Defects, sources: &[String]) {
    if sources.len() <= MAX_NOTES {
        sources.iter().for_each(|source| eprintln!("note: {source}: {defects}"));
    } else {
        let sources = count(sources.len(), "source");
        eprintln!("note: {sources}: {defects}; list the kernels with \"btfgen hub stat --verbose\"");
    }
}
