//! Incremental: what a build script's `generate()` takes when little or nothing changed since the last build.
//!
//! `cargo run -p btfgen-build --example incremental -- <HUB FILE> <OBJECT>...`; to compile as a build script's dependencies are, that
//! is without any optimization, add `--config 'profile.dev.package."*".opt-level=0'` after `run`; with `opt-level=1` there, and
//! `--config profile.dev.opt-level=1` beside it, it is as with that level for build scripts; `--release` is the other end.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

use btfgen_build::hub::file::{HubBuilder, HubFile};
use btfgen_build::{Config, Report};

/// How often a build that knows most is timed; the median counts.
const RUNS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args_os().skip(1).map(PathBuf::from);
    let hub = args.next().ok_or("usage: incremental <HUB FILE> <OBJECT>...")?;
    let objects: Vec<PathBuf> = args.collect();
    let folder = env::temp_dir().join(format!("btfgen-incremental-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let told = measure(&folder, &hub, &objects);
    fs::remove_dir_all(&folder)?;
    told
}

fn measure(folder: &Path, hub: &Path, objects: &[PathBuf]) -> Result<(), Box<dyn Error>> {
    let (own_hub, own_object) = (folder.join("own.hub"), folder.join("own.o"));
    fs::copy(hub, &own_hub)?;
    let (first, others) = objects.split_first().ok_or("no object")?;
    fs::copy(first, &own_object)?;
    let build = || -> Result<(Duration, Report), Box<dyn Error>> {
        let config = Config::new().hub(&own_hub).object_file(&own_object).out_dir(folder.join("out"));
        let config = others.iter().fold(config, |config, object| config.object_file(object));
        let start = Instant::now();
        let report = config.cargo_metadata(false).generate()?;
        Ok((start.elapsed(), report))
    };
    let tell = |what: &str, time: Duration, report: &Report| {
        let known = report.from_cache;
        println!(
            "  {what:<38} {:>9.1} ms   {known:>4} of {} kernels known",
            time.as_secs_f64() * 1e3,
            report.kernels.len()
        );
    };
    let (time, report) = build()?;
    println!("{report}");
    tell("the first build", time, &report);
    let median =
        |what: &str, before: &mut dyn FnMut() -> std::io::Result<()>| -> Result<(), Box<dyn Error>> {
            let mut runs = Vec::new();
            for _ in 0..RUNS {
                before()?;
                runs.push(build()?);
            }
            runs.sort_by_key(|(time, _)| *time);
            let (time, report) = &runs[RUNS / 2];
            tell(what, *time, report);
            Ok(())
        };
    median("nothing changed", &mut || Ok(()))?;

    // What a compiler writes first of a section is the first thing that differs when code does.
    let mut object = fs::read(&own_object)?;
    median("another object, the same relocations", &mut || {
        object[0x40..0x48].rotate_left(1);
        fs::write(&own_object, &object)
    })?;

    let file = HubFile::open(fs::read(hub)?)?;
    let (one, other) = (&file.kernels()[0].id, &file.kernels()[file.kernels().len() / 2].id);
    let mut builder = HubBuilder::new();
    builder.add_hub(&file)?;
    builder.remove(one);
    builder.add_btf(one, "changed", &file.extract(other)?, &[])?;
    fs::write(&own_hub, builder.finish(3)?)?;
    let (time, report) = build()?;
    tell("another kernel in the place of one", time, &report);
    Ok(())
}
