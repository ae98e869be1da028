//! Growth: the time of pack over the number of kernels in a hub file, up to thousands.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use super::commands::Bench;
use super::process::{self, Job, WARM_ALL, WARM_ONE};
use super::sets::Set;
use super::synthetic;
use crate::engine::{Endian, HubBuilder, HubFile, KernelId};
use crate::shell::Outcome;
use crate::table::{Alignment, table};
use crate::{files, parallel};

/// Numbers of kernels, spread evenly over the example's hub; more kernels than it has are synthetic.
const KERNELS: [usize; 6] = [25, 50, 100, 175, 425, 4300];

/// A hub file and the numbers of its kernels and definitions.
struct Hub {
    path: PathBuf,
    kernels: usize,
    definitions: u64,
}

/// Prints a table for each set of objects.
pub(super) fn measure(bench: &Bench, sets: &[Set]) -> Outcome {
    let hubs = hubs(&bench.scratch)?;
    println!("\ngrowth with the kernels of a hub file, all architectures, warm");
    let all_cores = format!("{} cores", parallel::cores());
    let head = [
        "kernels",
        "definitions",
        "minimized BTFs",
        "hub file",
        "archive",
        "1 core",
        &all_cores,
        "per kernel",
        "peak memory",
    ];
    for set in sets {
        println!("\n{}", set.title);
        let rows = hubs.iter().map(|hub| row(bench, set, hub)).collect::<Outcome<Vec<_>>>()?;
        print!("{}", table(&head, &rows, Alignment::Right));
    }
    Ok(())
}

fn row(bench: &Bench, set: &Set, hub: &Hub) -> Outcome<Vec<String>> {
    let job = Job { commands: vec![bench.pack(&hub.path, set)], may_fail: false };
    let all = process::medians(&[&job], WARM_ALL)?[0];
    let one = process::medians(&[&job], WARM_ONE)?[0];
    let report = bench.report(&hub.path, set)?;
    Ok(vec![
        hub.kernels.to_string(),
        hub.definitions.to_string(),
        report["blobs"].to_string(),
        format!("{} KB", fs::metadata(&hub.path)?.len() / 1000),
        format!("{:.1} KB", fs::metadata(bench.archive(set))?.len() as f64 / 1e3),
        process::time(one.time),
        process::time(all.time),
        format!("{} us", all.time.as_micros() / hub.kernels.max(1) as u128),
        format!("{} MB", all.peak_bytes.max(one.peak_bytes) / 1_000_000),
    ])
}

/// The hub files; later runs reuse them.
fn hubs(scratch: &Path) -> Outcome<Vec<Hub>> {
    let bytes = fs::read(files::example_hub())?;
    let mut hasher = DefaultHasher::new();
    (&bytes, synthetic::VERSION).hash(&mut hasher);
    let folder = scratch.join(format!("growth-{:016x}", hasher.finish()));
    let source = HubFile::open(bytes)?;
    // The sets' objects are little-endian.
    let little = source.kernels().iter().filter(|record| record.model.endian == Endian::Little);
    let ids: Vec<KernelId> = little.map(|record| record.id.clone()).collect();
    KERNELS
        .iter()
        .map(|&count| {
            let path = folder.join(format!("{count}.hub"));
            if !path.is_file() {
                eprintln!("bench: writing a hub file of {count} kernels");
                let bytes = match count <= ids.len() {
                    true => some(&source, &ids, count)?,
                    false => synthetic::hub(&source, &ids, count)?,
                };
                files::write(&path, &bytes)?;
            }
            let stat = HubFile::open(fs::read(&path)?)?.stat()?;
            Ok(Hub { path, kernels: stat.kernels, definitions: stat.distinct })
        })
        .collect()
}

/// A hub file of this many kernels, evenly spread.
fn some(source: &HubFile, ids: &[KernelId], count: usize) -> Outcome<Vec<u8>> {
    let kept: Vec<&KernelId> = (0..count).map(|number| &ids[number * ids.len() / count]).collect();
    let mut builder = HubBuilder::new();
    builder.add_hub(source)?;
    for record in source.kernels() {
        if !kept.contains(&&record.id) {
            builder.remove(&record.id);
        }
    }
    Ok(builder.finish(19)?)
}
