//! Growth: how the time of pack grows with the kernels of a hub file, up to thousands, as a table and as SVG.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use btfgen_core::KernelId;
use btfgen_core::btf::Endian;
use btfgen_core::hub::file::{HubBuilder, HubFile};

use super::inputs::{self, Set};
use super::plot::{Line, Plot};
use super::process::{self, Job, WARM_ALL, WARM_ONE};
use super::{pack, packed, synthetic};
use crate::shell::Outcome;

/// Numbers of kernels, taken evenly from all that the example's hub has; more than those are synthetic.
const KERNELS: [usize; 6] = [25, 50, 100, 175, 425, 4300];

/// A hub file and the numbers of its kernels and definitions.
struct Hub {
    path: PathBuf,
    kernels: usize,
    distinct: u64,
}

/// Prints a table for a set of objects of each size and writes `growth.svg`.
pub(super) fn curve(btfgen: &Path, scratch: &Path) -> Outcome {
    let hubs = hubs(scratch)?;
    let cores = process::cores();
    println!("\ngrowth with the kernels of a hub file, all architectures, warm");
    let mut plot = Plot { lines: Vec::new(), x: "kernels", y: "milliseconds of btfgen pack" };
    for set in inputs::timed(scratch)?.iter().filter(|set| ["medium", "large"].contains(&set.name)) {
        let (one, all) = times(btfgen, scratch, set, &hubs, cores)?;
        for (cores, times) in [(1, &one), (cores, &all)] {
            let label = format!("{}, {}", set.name, plural(cores, "core"));
            #[expect(clippy::cast_precision_loss, reason = "so many kernels fit")]
            let point = |(hub, time): (&Hub, &f64)| (hub.kernels as f64, time * 1e3);
            plot.lines.push(Line { label, points: hubs.iter().zip(times).map(point).collect() });
        }
    }
    let path = scratch.join("growth.svg");
    fs::write(&path, plot.svg())?;
    println!("  drawn in {}", path.display());
    Ok(())
}

/// Seconds on one core and on all for each hub, printed as they are found.
fn times(
    btfgen: &Path,
    scratch: &Path,
    set: &Set,
    hubs: &[Hub],
    cores: usize,
) -> Outcome<(Vec<f64>, Vec<f64>)> {
    println!("\n{}", set.title);
    let head = ["kernels", "definitions", "minimized BTFs", "hub file", "archive"];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    table[0].extend([
        "1 core".to_owned(),
        plural(cores, "core"),
        "a kernel".to_owned(),
        "peak memory".to_owned(),
    ]);
    let (mut one, mut all) = (Vec::new(), Vec::new());
    for hub in hubs {
        let archive = scratch.join("archive");
        let words = pack(btfgen, &hub.path, &archive, set);
        let job = Job { commands: vec![words], may_fail: false };
        let fast = process::medians(&[&job], WARM_ALL)?[0];
        let slow = process::medians(&[&job], WARM_ONE)?[0];
        let report = packed(btfgen, &hub.path, &archive, set)?;
        table.push(vec![
            hub.kernels.to_string(),
            hub.distinct.to_string(),
            report["blobs"].to_string(),
            format!("{} KB", fs::metadata(&hub.path)?.len() / 1000),
            format!("{:.1} KB", fs::metadata(&archive)?.len() as f64 / 1e3),
            process::time(slow.time),
            process::time(fast.time),
            format!("{} us", fast.time.as_micros() / hub.kernels.max(1) as u128),
            format!("{} MB", fast.peak.max(slow.peak) / 1_000_000),
        ]);
        one.push(slow.time.as_secs_f64());
        all.push(fast.time.as_secs_f64());
    }
    print!("{}", process::table(&table));
    if let ([.., before, last], [.., then, now]) = (hubs, &all[..]) {
        #[expect(clippy::cast_precision_loss, reason = "so many kernels fit")]
        let kernels = last.kernels as f64 / before.kernels as f64;
        println!("  {kernels:.1} times the kernels of the row before take {:.1} times as long", now / then);
    }
    Ok((one, all))
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The hub files, which later runs find again.
fn hubs(scratch: &Path) -> Outcome<Vec<Hub>> {
    let bytes = fs::read(inputs::example_hub())?;
    let mut hasher = DefaultHasher::new();
    (&bytes, synthetic::VERSION).hash(&mut hasher);
    let folder = scratch.join(format!("growth-{:016x}", hasher.finish()));
    fs::create_dir_all(&folder)?;
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
                let unfinished = folder.join("unfinished");
                fs::write(&unfinished, bytes)?;
                fs::rename(&unfinished, &path)?;
            }
            let stat = HubFile::open(fs::read(&path)?)?.stat()?;
            Ok(Hub { path, kernels: stat.kernels, distinct: stat.distinct })
        })
        .collect()
}

/// A hub file of so many kernels, evenly spread.
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
