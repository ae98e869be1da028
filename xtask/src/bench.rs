//! Bench: whole processes of `btfgen` against `bpftool gen min_core_btf`, same kernels and objects, one run.

mod runtime;
mod verify;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use btfgen_build::hub;
use btfgen_build::hub::file::{HubBuilder, HubFile};

use crate::shell::{self, Outcome, cargo};
use crate::{files, setup};

/// Kernels that are compared on, unless told otherwise.
const KERNELS: usize = 175;

/// How often each job runs at most; the median counts.
const RUNS: usize = 5;

/// No further round is begun after this time.
const PATIENCE: Duration = Duration::from_secs(20);

/// `cargo xtask bench [--hub FOLDER] [--kernels N] [OBJECT]...`: without a folder the first kernels of this machine's
/// architecture in the example's hub file, without an object small, medium and large sets of the test suites'.
pub(crate) fn run(args: &[String]) -> Outcome {
    setup::run(&[])?;
    let (mut folder, mut count, mut given) = (None, KERNELS, Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--hub" => folder = Some(PathBuf::from(args.next().ok_or("--hub needs a folder")?)),
            "--kernels" => count = args.next().ok_or("--kernels needs a number")?.parse()?,
            object => given.push(PathBuf::from(object)),
        }
    }
    let root = shell::root();
    let tool = ["build", "--release", "--package", "btfgen-build", "--features", "cli", "--bin", "btfgen"];
    let tool = shell::build(cargo().args(tool))?;
    let bench = Bench { btfgen: tool.executable()?.into(), scratch: root.join("target/bench") };
    files::empty_folder(&bench.scratch)?;
    let kernels = match folder {
        Some(folder) => bench.kernels_of_tree(&folder, count)?,
        None => bench.kernels_of_file(&root.join("example-app/kernels.hub"), count)?,
    };
    let hub = bench.hub_file(&kernels)?;
    let raw: u64 = kernels.iter().filter_map(|kernel| fs::metadata(kernel).ok()).map(|file| file.len()).sum();
    println!(
        "{} kernels, {} MB of raw BTF, hub file of {} bytes; median of up to {RUNS} runs",
        kernels.len(),
        raw / 1_000_000,
        fs::metadata(&hub)?.len(),
    );
    for (name, objects) in bench.object_sets(given)? {
        bench.compare(&name, &objects, &kernels, &hub)?;
    }
    runtime::costs(&bench.btfgen, &bench.scratch)
}

struct Bench {
    btfgen: PathBuf,
    scratch: PathBuf,
}

/// What is timed: a name and the processes that make it up.
type Job = (&'static str, Vec<Vec<OsString>>);

impl Bench {
    /// Sets of objects by name.
    fn object_sets(&self, given: Vec<PathBuf>) -> Outcome<Vec<(String, Vec<PathBuf>)>> {
        if !given.is_empty() {
            return Ok(vec![("the objects given".to_owned(), given)]);
        }
        let suite = oracle::testdata::folder().join("objects/el");
        let named = |names: &[&str]| names.iter().map(|name| suite.join(format!("{name}.o"))).collect();
        let agent = self.scratch.join("agent.o");
        fs::write(&agent, oracle::testdata::agent())?;
        Ok(vec![
            ("small: one tool".to_owned(), named(&["opensnoop"])),
            (
                "medium: three tools and a fixture".to_owned(),
                named(&["opensnoop", "biolatency", "tcpconnect", "kernel"]),
            ),
            ("large: a generated agent of 35,171 relocations".to_owned(), vec![agent]),
        ])
    }

    fn compare(&self, name: &str, objects: &[PathBuf], kernels: &[PathBuf], hub: &Path) -> Outcome {
        let archive = self.scratch.join("archive");
        let tree = self.scratch.join("raw");
        let pack = |hub: &Path| {
            let mut words: Vec<OsString> =
                vec![(&self.btfgen).into(), "pack".into(), "--hub".into(), hub.into()];
            words.extend(["-o".into(), (&archive).into()]);
            words.extend(objects.iter().map(OsString::from));
            vec![words]
        };
        let bpftool =
            kernels.iter().map(|kernel| bpftool(kernel, &self.scratch.join("bpftool.btf"), objects));
        let jobs: [Job; 3] = [
            ("bpftool gen min_core_btf, once a kernel", bpftool.collect()),
            ("btfgen pack, from the raw files", pack(&tree)),
            ("btfgen pack, from the hub file", pack(hub)),
        ];
        println!("\n{name}");
        // bpftool gives up on a kernel at the first relocation that is ambiguous there; what it took until then counts.
        let given_up = jobs[0].1.iter().filter(|words| quiet(words).is_err()).count();
        if given_up > 0 {
            println!("  (bpftool gives up on {given_up} of {} kernels, btfgen on none)", kernels.len());
        }
        let times = measure(&jobs)?;
        for ((name, commands), time) in jobs.iter().zip(&times) {
            println!(
                "  {name:<42} {:>9.1} ms   {:>5} processes   {:>6.1} times bpftool's speed",
                time.as_secs_f64() * 1e3,
                commands.len(),
                times[0].as_secs_f64() / time.as_secs_f64(),
            );
        }
        println!("  archive: {} bytes", fs::metadata(&archive)?.len());
        println!("  verification: {:.0}% of the run on one thread", verify::share(hub, objects)? * 100.0);
        Ok(())
    }

    /// Raw BTFs of a hub tree's kernels of this machine's architecture.
    fn kernels_of_tree(&self, tree: &Path, count: usize) -> Outcome<Vec<PathBuf>> {
        let listing = hub::list(tree)?;
        let ours = listing.kernels.iter().filter(|entry| entry.id.arch() == files::hub_arch());
        let raw = ours.take(count).map(|entry| Ok((entry.id.clone(), hub::read_btf(&entry.path)?.to_vec())));
        self.raw(raw)
    }

    /// BTFs of a hub file's kernels of this machine's architecture: smaller than the kernels' own, for functions and
    /// variables are not in there, so that bpftool has less to read.
    fn kernels_of_file(&self, file: &Path, count: usize) -> Outcome<Vec<PathBuf>> {
        let hub = HubFile::open(fs::read(file)?)?;
        let ours = hub.kernels().iter().filter(|record| record.id.arch() == files::hub_arch());
        self.raw(ours.take(count).map(|record| Ok((record.id.clone(), hub.extract(&record.id)?))))
    }

    fn raw(
        &self,
        kernels: impl Iterator<Item = Outcome<(btfgen_build::KernelId, Vec<u8>)>>,
    ) -> Outcome<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for kernel in kernels {
            let (id, btf) = kernel?;
            let path = self.scratch.join("raw").join(format!("{id}.btf"));
            fs::create_dir_all(path.parent().unwrap_or(&self.scratch))?;
            fs::write(&path, btf)?;
            paths.push(path);
        }
        if paths.is_empty() { Err("the hub holds no kernel of this architecture".into()) } else { Ok(paths) }
    }

    /// A hub file of just these kernels.
    fn hub_file(&self, kernels: &[PathBuf]) -> Outcome<PathBuf> {
        let mut hub = HubBuilder::new();
        for entry in hub::list(&self.scratch.join("raw"))?.kernels {
            hub.add_btf(&entry.id, "", &hub::read_btf(&entry.path)?, &[])?;
        }
        debug_assert_eq!(hub.len(), kernels.len());
        let path = self.scratch.join("kernels.hub");
        fs::write(&path, hub.finish(19)?)?;
        Ok(path)
    }
}

/// Median time of each job. The jobs take turns, so that a slow spell of the machine meets them all.
fn measure(jobs: &[Job]) -> Outcome<Vec<Duration>> {
    let mut times = vec![Vec::new(); jobs.len()];
    let begun = Instant::now();
    for round in 0..RUNS {
        if round > 0 && begun.elapsed() > PATIENCE {
            break;
        }
        for (number, ((_, commands), times)) in jobs.iter().zip(&mut times).enumerate() {
            let start = Instant::now();
            for words in commands {
                let outcome = quiet(words);
                if number > 0 {
                    outcome?;
                }
            }
            times.push(start.elapsed());
        }
    }
    Ok(times.into_iter().map(median).collect())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn bpftool(kernel: &Path, output: &Path, objects: &[PathBuf]) -> Vec<OsString> {
    let program = if shell::works("bpftool", &["version"]) { "bpftool" } else { "/usr/sbin/bpftool" };
    let mut words: Vec<OsString> = [program, "gen", "min_core_btf"].map(OsString::from).into();
    words.extend([kernel.into(), output.into()]);
    words.extend(objects.iter().map(OsString::from));
    words
}

fn quiet(words: &[OsString]) -> Outcome {
    let [program, args @ ..] = words else { return Err("no command".into()) };
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::null());
    let output = command.stderr(Stdio::piped()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}: {}", program.display(), output.status, String::from_utf8_lossy(&output.stderr))
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let check = |millis: &[u64], expect| {
            let times = millis.iter().map(|&millis| Duration::from_millis(millis)).collect();
            assert_eq!(median(times), Duration::from_millis(expect));
        };
        check(&[9], 9);
        check(&[500, 1, 2], 2);
        check(&[5, 4, 3, 2, 1], 3);
    }
}
