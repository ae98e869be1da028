//! Kernels: `cargo xtask kernels` boots Debian's kernels and runs execwatch on them, on kernels that ship no BTF and with the
//! BTF of others hidden. On one of them a program also reads types of modules. Kernels of one architecture boot again, and the
//! forecast is compared with the outcome of each program.

mod forecast;
mod guest;
mod judge;
mod modules;
mod package_index;
mod requested_kernels;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use btfgen_runtime::Archive;

use crate::architecture::Architecture;
use crate::cross::Toolchain;
use crate::engine::{BTFGEN, HUB_VARIABLE, KernelId};
use crate::shell::{self, Outcome, cargo};
use crate::table::{Alignment, table};
use crate::{architecture, corpus, files, fixtures, parallel, setup};
use guest::{File, JOBS, Program, Root};
use judge::{Answer, Expect, Verdict, judge};
use package_index::{KernelFiles, PackageIndex, Types};
use requested_kernels::{CI, Choice, choose, requests};

/// The first process of execwatch's guests.
const INIT: &str = include_str!("init.sh");
/// The architecture whose kernels the forecast is compared with.
const FORECAST: &str = "x86_64";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The kernels' architecture, by Debian's name: amd64, arm64, ppc64el or s390x [default: this machine's]
    #[arg(long, value_name = "ARCH", value_parser = Architecture::find)]
    arch: Vec<&'static Architecture>,
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
    let mut architectures = options.arch.clone();
    if architectures.is_empty() {
        architectures.push(Architecture::find(architecture::native())?);
    }
    if options.forecast && architectures.iter().any(|architecture| architecture.name != FORECAST) {
        return Err(format!("--forecast: the forecast is compared with kernels for {FORECAST} only").into());
    }
    for architecture in &architectures {
        setup::provide(architecture.qemu, architecture.qemu_package, "booting Debian's kernels")?;
        if let Some(obstacle) = obstacle(architecture) {
            return Err(obstacle.into());
        }
    }
    boot_kernels(&architectures, if options.ci { Some(CI) } else { options.only }, options.forecast)
}

/// Runs `cargo xtask kernels --ci`, or reports why that is not possible here.
pub(crate) fn run_if_possible() -> Outcome {
    let skipped = |obstacle| {
        eprintln!("kernels: skipped: {obstacle}");
        Ok(())
    };
    match Architecture::find(architecture::native()) {
        Err(unknown) => skipped(unknown),
        Ok(architecture) => match obstacle(architecture) {
            None => boot_kernels(&[architecture], Some(CI), false),
            Some(obstacle) => skipped(obstacle),
        },
    }
}

/// Why kernels of an architecture cannot be booted here, if so.
fn obstacle(architecture: &Architecture) -> Option<String> {
    let compilers = || fixtures::Tools::find().err().filter(|_| architecture.name == FORECAST);
    guest::obstacle(architecture)
        .or_else(|| corpus::mirrors().err().map(|error| error.to_string()))
        .or_else(|| compilers().map(|error| error.to_string()))
}

fn boot_kernels(
    architectures: &[&'static Architecture],
    only: Option<usize>,
    only_forecast: bool,
) -> Outcome {
    let folder = shell::root().join("target/kernels");
    let open = |architecture: &&'static Architecture| Kernels::open(architecture, only, &folder);
    let kernels = architectures.iter().map(open).collect::<Outcome<Vec<Kernels>>>()?;
    let execwatch = if only_forecast { Ok(()) } else { watch(&kernels) };
    let compared = kernels.iter().find(|kernels| kernels.toolchain.architecture.name == FORECAST);
    execwatch.and(compared.map_or(Ok(()), Kernels::compare_forecast))
}

/// Runs execwatch on all kernels, and prints one table of them.
fn watch(kernels: &[Kernels]) -> Outcome {
    let started = Instant::now();
    let mut boots = Vec::new();
    for kernels in kernels {
        boots.extend(kernels.watch()?);
    }
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

/// The kernels of an architecture to boot.
struct Kernels {
    toolchain: Toolchain,
    index: PackageIndex,
    choices: Vec<Choice>,
    /// The files of these kernels, and of the neighbors of those that are left out.
    packages: BTreeMap<KernelId, KernelFiles>,
    /// A build with the hub file that the example commits.
    vendored: Execwatch,
    scratch: PathBuf,
}

impl Kernels {
    fn open(architecture: &'static Architecture, only: Option<usize>, folder: &Path) -> Outcome<Self> {
        let toolchain = Toolchain::open(architecture)?;
        let scratch = folder.join("scratch").join(architecture.name);
        files::empty_folder(&scratch)?;
        let index = PackageIndex::open(folder.join("packages"), architecture)?;
        let vendored = Execwatch::build(&toolchain, None, &scratch.join("vendored"))?;
        let mut choices = choose(architecture, &index.offered(), &vendored.kernels());
        let requested = requests(architecture).len();
        if only.is_none() && choices.len() * 2 <= requested {
            let (found, name) = (choices.len(), architecture.name);
            return Err(
                format!("the mirrors have {found} of {requested} requested kernels for {name}").into()
            );
        }
        choices.truncate(only.unwrap_or(usize::MAX));
        let needed = choices.iter().flat_map(|choice| choice.neighbors.iter().flatten().chain([&choice.id]));
        let packages = needed.map(|id| Ok((id.clone(), index.files(id)?))).collect::<Outcome<_>>()?;
        Ok(Self { toolchain, index, choices, packages, vendored, scratch })
    }

    /// Boots the kernels again, and compares the forecast with the outcome of each program.
    fn compare_forecast(&self) -> Outcome {
        let booted = self.choices.iter().filter_map(|choice| self.packages.get_key_value(&choice.id));
        let booted = booted.map(|(id, files)| (id.clone(), files.clone())).collect();
        forecast::run(&self.toolchain, &booted, &self.vendored.object, &self.scratch.join("forecast"))
    }

    /// Runs execwatch on the kernels.
    fn watch(&self) -> Outcome<Vec<Boot>> {
        let hub = self.hub_of_packages(&self.scratch.join("hub"))?;
        let without = Execwatch::build(&self.toolchain, Some(&hub), &self.scratch.join("without"))?;
        let mut guests = self.guests(&without)?;
        // The program that reads them is built for this machine.
        if self.toolchain.architecture.is_native()
            && let Some(guest) = guests.iter_mut().find(|guest| guest.expect.may_read_modules())
        {
            guest.files = modules::files(&self.index, &guest.expect.kernel, &self.scratch.join("modules"))?;
            guest.expect.modules = true;
        }
        let left_out = |choice: &Choice| choice.neighbors.is_some();
        let inferred = |guest: &Guest<'_>| matches!(guest.expect.answer, Answer::Inferred { .. });
        if self.choices.iter().any(left_out) && !guests.iter().any(inferred) {
            return Err(
                "no kernel on the mirrors is between two with identical BTFs, so no nearest match can be shown"
                    .into(),
            );
        }
        Ok(parallel::map(JOBS, &guests, Guest::boot)?)
    }

    /// A hub file of the packages' types, made by `btfgen vendor`, without the kernels that are left out.
    fn hub_of_packages(&self, folder: &Path) -> Outcome<PathBuf> {
        let tree = folder.join("tree");
        fs::create_dir_all(&tree)?;
        let hub = folder.join("packages.hub");
        let btfgen = shell::build(cargo().arg("build").args(BTFGEN))?;
        let mut vendor = Command::new(btfgen.executable()?);
        vendor.arg("vendor").arg(&tree).arg("-o").arg(&hub);
        let left_out =
            |id: &KernelId| self.choices.iter().any(|choice| choice.id == *id && choice.neighbors.is_some());
        for (id, files) in self.packages.iter().filter(|(id, _)| !left_out(id)) {
            match &files.types {
                Types::Btf(btf) => {
                    let file = tree.join(format!("{id}.btf"));
                    fs::create_dir_all(file.parent().unwrap_or(&tree))?;
                    fs::copy(btf, file)?;
                }
                Types::DebugPackage(package) => {
                    vendor.arg(package);
                }
            }
        }
        shell::run(&mut vendor)?;
        Ok(hub)
    }

    fn guests<'a>(&'a self, without: &'a Execwatch) -> Outcome<Vec<Guest<'a>>> {
        let in_vendored = self.vendored.kernels();
        let guest = |choice: &Choice| -> Outcome<Guest<'a>> {
            let files = self.packages.get(&choice.id).ok_or("no package was read for a kernel")?;
            let ships_btf = matches!(files.types, Types::Btf(_));
            let (execwatch, hub) = match choice.neighbors {
                None if ships_btf && in_vendored.contains(&choice.id) => (&self.vendored, "vendored"),
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
            let expect = Expect { kernel: choice.id.clone(), ships_btf, answer, modules: false };
            Ok(Guest { execwatch, hub, image: &files.image, options, blob, files: Vec::new(), expect })
        };
        self.choices.iter().map(guest).collect()
    }
}

/// A build of execwatch, its object and archive, and the guests' root file system with it.
struct Execwatch {
    root: Root,
    object: Vec<u8>,
    archive: Vec<u8>,
}

impl Execwatch {
    /// Builds it with this hub, or else with the one in its `btfgen.toml`.
    fn build(toolchain: &Toolchain, hub: Option<&Path>, scratch: &Path) -> Outcome<Self> {
        fs::create_dir_all(scratch)?;
        let mut command = toolchain.cargo()?;
        match hub {
            Some(hub) => command.env(HUB_VARIABLE, hub),
            None => command.env_remove(HUB_VARIABLE),
        };
        let built = shell::build(command.args(["build", "--package", "example-app"]))?;
        let archive = fs::read(built.generated("btfgen.archive")?)?;
        let object = fs::read(built.generated("execwatch.bpf.o")?)?;
        let program = Program { name: "execwatch", path: built.executable()? };
        Ok(Self { root: Root::new(toolchain, &program, INIT, scratch)?, object, archive })
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

/// The outcome of a guest.
struct Boot {
    kernel: KernelId,
    ships_btf: bool,
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
        let ships_btf = self.expect.ships_btf;
        Boot { kernel: kernel.clone(), ships_btf, hub: self.hub, blob: self.blob, time, verdict }
    }
}

/// A table with one row for each kernel.
fn outcomes(boots: &[Boot]) -> String {
    let or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    let row = |Boot { kernel, ships_btf, hub, blob, time, verdict }: &Boot| {
        let Verdict { source, loaded, equal, compared, .. } = verdict;
        vec![
            kernel.arch().to_owned(),
            format!("{}/{} {}", kernel.distro(), kernel.version(), kernel.release()),
            if *ships_btf { "hidden" } else { "none" }.to_owned(),
            (*hub).to_owned(),
            or_none(source.clone()),
            blob.map_or("none".to_owned(), |(number, len)| format!("#{number}, {len} B")),
            or_none(loaded.join(" ")),
            if *compared == 0 { "none".to_owned() } else { format!("{equal} of {compared} equal") },
            format!("{:.0} s", time.as_secs_f64()),
        ]
    };
    let head =
        ["architecture", "kernel", "own BTF", "hub", "source of BTF", "blob", "loaders", "values", "time"];
    table(&head, &boots.iter().map(row).collect::<Vec<_>>(), Alignment::Left)
}
