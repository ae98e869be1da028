//! Forecast: boots kernels, loads and attaches each program of a suite there alone, with the kernel's BTF and with a minimized
//! one, and compares the outcomes with `btfgen report`.

mod comparison;
mod suite;
mod trials;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::guest::{File, JOBS, Program, Root};
use super::package_index::{KernelFiles, Types};
use crate::cross::Toolchain;
use crate::engine::{BTFGEN, KernelId, minimize, read_btf, read_objects};
use crate::shell::{self, Outcome, cargo};
use crate::{files, parallel};
use comparison::{Forecasts, compare};
use trials::{Mode, Trial};

/// The guest's first process.
const INIT: &str = include_str!("init.sh");
/// The hub of the booted kernels.
const HUB: &str = "kernels.hub";
/// Options of Debian's kernels, for the `__kconfig` variables of the suite.
const CONFIG: &str = "CONFIG_HZ=250\nCONFIG_BPF_SYSCALL=y\n";

/// Boots the kernels and compares their outcomes with the forecast. `example` is the example's object.
pub(super) fn run(
    toolchain: &Toolchain,
    kernels: &BTreeMap<KernelId, KernelFiles>,
    example: &[u8],
    folder: &Path,
) -> Outcome {
    let started = Instant::now();
    files::empty_folder(folder)?;
    let mut objects = suite::build(folder)?;
    objects.push(folder.join("execwatch.bpf.o"));
    fs::write(folder.join("execwatch.bpf.o"), example)?;

    let trials = boot(toolchain, kernels, &objects, folder)?;
    let ran = trials.values().flatten().filter(|trial| trial.end == trials::End::Ran).count();
    let count: usize = trials.values().map(Vec::len).sum();
    println!("forecast: {ran} of {count} programs ran, in {:.0} s", started.elapsed().as_secs_f64());
    println!("the guests' outcomes are in {}", folder.display());

    let comparison = compare(&trials, &report(kernels, &objects, folder)?);
    print!("{}", comparison.text());
    let faults = comparison.faults();
    faults.iter().for_each(|fault| println!("{fault}"));
    if faults.is_empty() { Ok(()) } else { Err("the forecast is wrong".into()) }
}

/// The programs' ends on each kernel.
fn boot(
    toolchain: &Toolchain,
    kernels: &BTreeMap<KernelId, KernelFiles>,
    objects: &[PathBuf],
    folder: &Path,
) -> Outcome<BTreeMap<KernelId, Vec<Trial>>> {
    let mut build = toolchain.cargo()?;
    let loader = shell::build(build.args(["build", "--package", "oracle", "--example", "load_programs"]))?;
    let program = Program { name: "load_programs", path: loader.executable()? };
    let root = Root::new(toolchain, &program, INIT, folder)?;
    let read = read_objects(objects)?;
    let mut shared = Vec::new();
    for object in objects {
        let name = object.file_name().unwrap_or_default().display();
        shared.push(File { path: format!("objects/{name}"), content: fs::read(object)? });
    }
    let boot = |(id, files): &(&KernelId, &KernelFiles)| -> Outcome<Vec<Trial>> {
        let Types::Btf(btf) = &files.types else {
            return Err(format!("{id}: ships no BTF, so outcomes with its own cannot be compared").into());
        };
        let minimized = minimize(&read, &read_btf(btf)?)?;
        let file = |path: String, content: Vec<u8>| File { path, content };
        let mut guest = vec![
            file("minimized.btf".into(), minimized),
            file(format!("boot/config-{}", id.release()), CONFIG.into()),
        ];
        guest.extend(shared.iter().cloned());
        let run = root.boot(id, &files.image, "", &guest)?;
        eprintln!("{id}: ended after {:.0} s", run.time.as_secs_f64());
        trials::parse(&run.output).map_err(|error| format!("{id}: {error}").into())
    };
    let kernels: Vec<_> = kernels.iter().collect();
    let trials = parallel::map(JOBS, &kernels, boot)?;
    kernels.into_iter().zip(trials).map(|((id, _), trials)| Ok((id.clone(), trials?))).collect()
}

/// The forecast of each program on these kernels, from a hub made of their images.
fn report(
    kernels: &BTreeMap<KernelId, KernelFiles>,
    objects: &[PathBuf],
    folder: &Path,
) -> Outcome<Forecasts> {
    let built = shell::build(cargo().arg("build").args(BTFGEN))?;
    let btfgen = || -> Outcome<Command> {
        let mut command = Command::new(built.executable()?);
        command.current_dir(folder);
        Ok(command)
    };
    for (id, files) in kernels {
        let vendor = ["--as", id.as_str(), "-o", HUB];
        shell::run(btfgen()?.arg("vendor").arg(&files.image).args(vendor))?;
    }
    let names = objects.iter().filter_map(|object| object.file_name());
    let mut forecasts = Forecasts::new();
    for mode in Mode::ALL {
        let report = ["report", "--format", "tsv", "--btf", mode.name(), "--hub", HUB];
        let tsv = shell::read(btfgen()?.args(report).args(names.clone()))?;
        comparison::read(&tsv, mode, &mut forecasts)?;
    }
    Ok(forecasts)
}
