//! `btfgen vendor`: kernels from whatever holds them into a hub file.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use btfgen::import::collect::{Collector, Fate};
use btfgen::import::source::{Offer, Source, Wanted};
use btfgen_core::hub::KernelFilter;
use btfgen_core::hub::file::{HubBuilder, HubFile};
use indicatif::{ProgressBar, ProgressStyle};

use crate::args;
use crate::output;
use crate::{Outcome, Result};

/// After how long the hub file is written although more kernels follow, so that an interrupted run need not begin anew.
const SAVE_EVERY: Duration = Duration::from_secs(60);
/// Compression level of what is written in between.
const SAVE_LEVEL: i32 = 3;
/// Offers between two looks at the clock.
const BATCH: usize = 64;

pub(crate) fn run(args: &args::Vendor) -> Result<Outcome> {
    let filter = KernelFilter::new(&args.include, &args.exclude, &args.arch)?;
    let mut hub = HubBuilder::new();
    if args.output.exists() {
        let named = |error| format!("hub file {}: {error}", args.output.display());
        let known = HubFile::open(output::read(&args.output)?).map_err(|error| named(error.to_string()))?;
        hub.add_hub(&known).map_err(|error| named(error.to_string()))?;
    }
    let before = hub.len();

    // Shown on a terminal only.
    let bar = ProgressBar::new(0).with_style(style());
    let bad = Mutex::new(0);
    let skip = |what: &str, error: &dyn std::error::Error| {
        let text = output::report(error);
        bar.suspend(|| eprint!("skipped: {what}\n  {text}"));
        if let Ok(mut bad) = bad.lock() {
            *bad += 1;
        }
    };
    let collector = Collector {
        wanted: Wanted { kernel: &|id| filter.wants(id), modules: args.modules },
        threads: thread::available_parallelism().map_or(1, usize::from),
        done: &|offer: &Offer, fate: &Fate| {
            if let Fate::Bad(error) = fate {
                skip(&offer.label, error);
            }
            bar.inc(1);
        },
    };

    let mut sources: Vec<Source> = Vec::new();
    for path in &args.sources {
        match Source::at(path) {
            Ok(source) => sources.push(source),
            Err(error) => skip(&path.display().to_string(), &error),
        }
    }
    sources.extend(args.this_host.then_some(Source::ThisHost));
    let (shard, shards) = args.shard;
    let mut offers = Vec::new();
    for source in &sources {
        match (source, source.offers(args.kernel.as_ref())) {
            // A hub file is read at once, and so by one of the shards.
            (Source::Hub(path), Ok(_)) if shard == 0 => {
                if let Err(error) = collector.add_hub(&mut hub, path) {
                    skip(&path.display().to_string(), &error);
                }
            }
            (_, Ok(listed)) => offers.extend(listed),
            (Source::Tree(path) | Source::Hub(path) | Source::File(path), Err(error)) => {
                skip(&path.display().to_string(), &error);
            }
            (_, Err(error)) => skip("this host", &error),
        }
    }
    let offers: Vec<Offer> = offers.into_iter().skip(shard).step_by(shards).collect();
    bar.set_length(offers.len() as u64);

    let mut saved = Instant::now();
    for batch in offers.chunks(BATCH) {
        for conflict in collector.collect(&mut hub, batch)? {
            let (kernel, taken, left) = (conflict.kernel, conflict.taken, conflict.left);
            bar.suspend(|| {
                eprintln!("warning: kernel {kernel} from {left} is another than from {taken}; left out");
            });
        }
        if saved.elapsed() > SAVE_EVERY {
            output::write(&args.output, &hub.finish(SAVE_LEVEL)?)?;
            saved = Instant::now();
        }
    }
    bar.finish_and_clear();
    let bad = bad.into_inner().unwrap_or_default();
    if hub.is_empty() && bad == 0 && shards > 1 {
        let whole = "a hub file is read as a whole, by shard 0";
        return Err(format!("no kernel of these sources falls to shard {shard}/{shards}; {whole}").into());
    }
    if hub.is_empty() {
        return Err(format!("no kernel was got, {bad} sources were skipped").into());
    }
    let bytes = hub.finish(args.level)?;
    output::write(&args.output, &bytes)?;
    eprintln!(
        "{}: {} kernels, {} of them new, {} bytes; {bad} sources skipped",
        args.output.display(),
        hub.len(),
        hub.len() - before,
        bytes.len()
    );
    Ok(Outcome::Done)
}

fn style() -> ProgressStyle {
    let template = ProgressStyle::with_template("vendoring {bar:40} {pos}/{len} kernels, {eta} left");
    template.unwrap_or_else(|_| ProgressStyle::default_bar())
}
