//! Kernels: `cargo xtask kernels` boots Debian's kernels and runs execwatch on them with their BTF hidden. On one of them a
//! program also reads types of modules. Then it boots them again, and compares the forecast with what becomes of programs.

mod forecast;
mod guest;
mod judge;
mod modules;
mod package_index;
mod requested_kernels;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use btfgen_runtime::Archive;

use crate::engine::{HUB_VARIABLE, KernelId};
use crate::shell::{self, Outcome, cargo};
use crate::table::{Alignment, table};
use crate::{corpus, files, fixtures, parallel, setup};
use guest::{File, JOBS, Program, Root};
use judge::{Answer, Expect, Verdict, judge};
use package_index::{KernelFiles, PackageIndex};
use requested_kernels::{CI, Choice, choose};

/// Minimum number of kernels of a whole run.
const MIN_KERNELS: usize = 8;
/// The first process of execwatch's guests.
const INIT: &str = include_str!("init.sh");

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only the three kernels that CI boots
    #[arg(long, conflicts_with = "only")]
    ci: bool,
    /// Only the first kernels
    #[arg(long, value_name = "NUMBER")]
    only: Option<usize>,
    /// Only compare the forecast, without running execwatch
    #[arg(long)]
    forecast: bool,
}

/// Runs `cargo xtask kernels`.
pub(crate) fn run(options: &Options) -> Outcome {
    setup::run()?;
    match obstacle() {
        None => boot_kernels(if options.ci { Some(CI) } else { options.only }, options.forecast),
        Some(obstacle) => Err(obstacle.into()),
    }
}

/// Runs `cargo xtask kernels --ci`, or reports why that is not possible here.
pub(crate) fn run_if_possible() -> Outcome {
    match obstacle() {
        None => boot_kernels(Some(CI), false),
        Some(obstacle) => {
            eprintln!("kernels: skipped: {obstacle}");
            Ok(())
        }
    }
}

/// Why kernels cannot be booted here, if so.
fn obstacle() -> Option<String> {
    if std::env::consts::ARCH != "x86_64" {
        return Some(
            "needs an x86_64 machine: the kernels are for x86_64, execwatch is built for this one".to_owned(),
        );
    }
    guest::obstacle()
        .or_else(|| corpus::mirrors().err().map(|error| error.to_string()))
        .or_else(|| fixtures::Tools::find().err().map(|error| error.to_string()))
}

fn boot_kernels(only: Option<usize>, only_forecast: bool) -> Outcome {
    let folder = shell::root().join("target/kernels");
    let scratch = folder.join("scratch");
    files::empty_folder(&scratch)?;
    let index = PackageIndex::open(folder.join("packages"))?;

    let vendored = Execwatch::build(None, &scratch.join("vendored"))?;
    let mut choices = choose(&index.offered(), &vendored.kernels());
    if only.is_none() && choices.len() < MIN_KERNELS {
        return Err(format!(
            "the mirrors have {} of the requested kernels, fewer than {MIN_KERNELS}",
            choices.len()
        )
        .into());
    }
    choices.truncate(only.unwrap_or(usize::MAX));
    let packages = read_packages(&index, &choices)?;
    let execwatch =
        if only_forecast { Ok(()) } else { watch(&index, &choices, &packages, &vendored, &folder) };
    let booted = choices.iter().filter_map(|choice| packages.get_key_value(&choice.id));
    let booted = booted.map(|(id, files)| (id.clone(), files.clone())).collect();
    let forecast = forecast::run(&booted, &vendored.object, &scratch.join("forecast"));
    execwatch.and(forecast)
}

/// Runs execwatch on the kernels.
fn watch(
    index: &PackageIndex,
    choices: &[Choice],
    packages: &BTreeMap<KernelId, KernelFiles>,
    vendored: &Execwatch,
    folder: &Path,
) -> Outcome {
    let started = Instant::now();
    let scratch = folder.join("scratch");
    let hub = hub_of_packages(&folder.join("hub"), choices, packages)?;
    let without = Execwatch::build(Some(&hub), &scratch.join("without"))?;
    let mut guests = guests(choices, packages, vendored, &without)?;
    if let Some(guest) = guests.iter_mut().find(|guest| guest.expect.may_read_modules()) {
        guest.files = modules::files(index, &guest.expect.kernel, &scratch.join("modules"))?;
        guest.expect.modules = true;
    }
    if !guests.iter().any(|guest| matches!(guest.expect.answer, Answer::Inferred { .. })) {
        return Err(
            "no kernel on the mirrors is between two with identical BTFs, so no nearest match can be shown"
                .into(),
        );
    }
    let boots = parallel::map(JOBS, &guests, Guest::boot)?;
    print!("{}", outcomes(&boots));
    let failed = boots.iter().filter(|boot| !boot.verdict.faults.is_empty()).count();
    for boot in &boots {
        for fault in &boot.verdict.faults {
            println!("{}: {fault}", boot.kernel);
        }
    }
    println!("\nthe guests' output is in target/kernels/scratch");
    println!("{} passed, {failed} failed, in {:.0} s", boots.len() - failed, started.elapsed().as_secs_f64());
    if failed == 0 { Ok(()) } else { Err(format!("{failed} kernels failed").into()) }
}

/// A build of execwatch, its object and archive, and the guests' root file system with it.
struct Execwatch {
    root: Root,
    object: Vec<u8>,
    archive: Vec<u8>,
}

impl Execwatch {
    /// Builds it with this hub, or else with the one in its `btfgen.toml`.
    fn build(hub: Option<&Path>, scratch: &Path) -> Outcome<Self> {
        fs::create_dir_all(scratch)?;
        let mut command = cargo();
        match hub {
            Some(hub) => command.env(HUB_VARIABLE, hub),
            None => command.env_remove(HUB_VARIABLE),
        };
        let built = shell::build(command.args(["build", "--package", "example-app"]))?;
        let archive = fs::read(built.generated("btfgen.archive")?)?;
        let object = fs::read(built.generated("execwatch.bpf.o")?)?;
        let program = Program { name: "execwatch", path: built.executable()? };
        Ok(Self { root: Root::new(&program, INIT, scratch)?, object, archive })
    }

    fn kernels(&self) -> BTreeSet<KernelId> {
        Archive::open(&self.archive).map(|archive| archive.kernels().collect()).unwrap_or_default()
    }

    /// Number and length of a kernel's blob.
    fn blob(&self, id: &KernelId) -> Outcome<(usize, usize)> {
        let archive = Archive::open(&self.archive)?;
        let number = archive.blob_of(id).ok_or_else(|| format!("{id} is not embedded"))?;
        Ok((number, archive.blob(number)?.len()))
    }
}

/// The packages of the kernels to boot and of the neighbors of the one that is left out.
fn read_packages(index: &PackageIndex, choices: &[Choice]) -> Outcome<BTreeMap<KernelId, KernelFiles>> {
    let needed = choices.iter().flat_map(|choice| choice.neighbors.iter().flatten().chain([&choice.id]));
    needed.map(|id| Ok((id.clone(), index.files(id)?))).collect()
}

/// A hub tree of the packages' BTFs, without the kernels that are left out.
fn hub_of_packages(
    hub: &Path,
    choices: &[Choice],
    packages: &BTreeMap<KernelId, KernelFiles>,
) -> Outcome<PathBuf> {
    files::empty_folder(hub)?;
    let left_out =
        |id: &KernelId| choices.iter().any(|choice| choice.id == *id && choice.neighbors.is_some());
    for (id, files) in packages.iter().filter(|(id, _)| !left_out(id)) {
        let file = hub.join(format!("{id}.btf"));
        fs::create_dir_all(file.parent().unwrap_or(hub))?;
        fs::copy(&files.btf, file)?;
    }
    Ok(hub.to_owned())
}

/// A kernel to boot, with a build of execwatch and the expected outcome.
struct Guest<'a> {
    execwatch: &'a Execwatch,
    /// The hub that this build embeds.
    hub: &'static str,
    image: &'a Path,
    options: &'static str,
    /// Number and length of the blob that must be chosen.
    blob: Option<(usize, usize)>,
    /// For the guest that reads modules' types.
    files: Vec<File>,
    expect: Expect,
}

fn guests<'a>(
    choices: &[Choice],
    packages: &'a BTreeMap<KernelId, KernelFiles>,
    vendored: &'a Execwatch,
    without: &'a Execwatch,
) -> Outcome<Vec<Guest<'a>>> {
    let in_vendored = vendored.kernels();
    let guest = |choice: &Choice| -> Outcome<Guest<'a>> {
        let (execwatch, hub) = match choice.neighbors {
            None if in_vendored.contains(&choice.id) => (vendored, "vendored"),
            _ => (without, "packages"),
        };
        let (options, blob, answer) = match &choice.neighbors {
            None => {
                let blob = execwatch.blob(&choice.id)?;
                ("", Some(blob), Answer::Entry { blob_len: blob.1 })
            }
            Some(neighbors) => {
                let [before, after] = neighbors;
                let (blob, neighbors) = (execwatch.blob(before)?, neighbors.clone());
                if blob == execwatch.blob(after)? {
                    ("--nearest", Some(blob), Answer::Inferred { neighbors, blob_len: blob.1 })
                } else {
                    ("--nearest", None, Answer::Refused { neighbors })
                }
            }
        };
        let files = packages.get(&choice.id).ok_or("no package was read for a kernel")?;
        let expect = Expect { kernel: choice.id.clone(), answer, modules: false };
        Ok(Guest { execwatch, hub, image: &files.image, options, blob, files: Vec::new(), expect })
    };
    choices.iter().map(guest).collect()
}

/// The outcome of a guest.
struct Boot {
    kernel: KernelId,
    hub: &'static str,
    blob: Option<(usize, usize)>,
    time: Duration,
    verdict: Verdict,
}

impl Guest<'_> {
    fn boot(&self) -> Boot {
        let kernel = &self.expect.kernel;
        let (time, verdict) = match self.execwatch.root.boot(kernel, self.image, self.options, &self.files) {
            Ok(run) => (run.time, judge(&run.output, &self.expect)),
            Err(error) => (Duration::ZERO, Verdict { faults: vec![error.to_string()], ..Verdict::default() }),
        };
        let outcome = if verdict.faults.is_empty() { "passed" } else { "failed" };
        eprintln!("{kernel}: {outcome} after {:.0} s", time.as_secs_f64());
        Boot { kernel: kernel.clone(), hub: self.hub, blob: self.blob, time, verdict }
    }
}

/// A table with one row for each kernel.
fn outcomes(boots: &[Boot]) -> String {
    let or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    let row = |Boot { kernel, hub, blob, time, verdict }: &Boot| {
        let Verdict { source, loaded, equal, compared, .. } = verdict;
        vec![
            kernel.to_string(),
            (*hub).to_owned(),
            or_none(source.clone()),
            blob.map_or("none".to_owned(), |(number, len)| format!("#{number}, {len} B")),
            or_none(loaded.join(" ")),
            if *compared == 0 { "none".to_owned() } else { format!("{equal} of {compared} equal") },
            format!("{:.0} s", time.as_secs_f64()),
        ]
    };
    let head = ["kernel", "hub", "source of BTF", "blob", "load", "values", "time"];
    table(&head, &boots.iter().map(row).collect::<Vec<_>>(), Alignment::Left)
}
