//! Bench: whole processes of `btfgen` against `bpftool gen min_core_btf`, same kernels and objects, one run.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::shell::{self, Outcome, cargo};
use crate::{files, setup};

/// How often each job runs; the median counts.
const RUNS: usize = 5;

/// `cargo xtask bench [--hub FOLDER] [OBJECT]...`: without a folder the example's kernels, without an object the
/// example's and those of the test suites.
pub(crate) fn run(args: &[String]) -> Outcome {
    setup::run(&[])?;
    let (mut hub, mut objects) = (None, Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--hub" => hub = Some(PathBuf::from(args.next().ok_or("--hub needs a folder")?)),
            object => objects.push(PathBuf::from(object)),
        }
    }
    let root = shell::root();
    let built = shell::build(cargo().args(["build", "--package", "example-app"]))?;
    let tool = ["build", "--release", "--package", "btfgen-build", "--features", "cli", "--bin", "btfgen"];
    let tool = shell::build(cargo().args(tool))?;
    let btfgen = tool.executable()?;

    let scratch = root.join("target/bench");
    files::empty_folder(&scratch)?;
    let raw = scratch.join("raw");
    let kernels = raw_kernels(&hub.unwrap_or_else(|| root.join("example-app/kernels")), &raw)?;
    if objects.is_empty() {
        objects.push(built.generated("execwatch.bpf.o")?);
        let suite = root.join("testdata/objects/el");
        if suite.is_dir() {
            objects.extend(files::under(&suite)?);
        }
    }
    let given = objects.len();
    let objects: Vec<PathBuf> =
        objects.into_iter().filter(|object| bpftool_can(&kernels[0], object, &scratch)).collect();
    if objects.is_empty() {
        return Err("bpftool is not here, or can do none of the objects".into());
    }
    let bytes: u64 =
        kernels.iter().filter_map(|kernel| fs::metadata(kernel).ok()).map(|file| file.len()).sum();
    println!(
        "{} kernels, {} MB of raw BTF, {} objects ({} more that bpftool fails on), median of {RUNS} runs",
        kernels.len(),
        bytes / 1_000_000,
        objects.len(),
        given - objects.len(),
    );

    let archive = scratch.join("archive");
    let mut pack: Vec<OsString> = vec![btfgen.into(), "pack".into(), "--hub".into(), (&raw).into()];
    pack.extend(["-o".into(), (&archive).into()]);
    pack.extend(objects.iter().map(OsString::from));
    let minimize = |kernel: &Path| -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![btfgen.into(), "minimize".into(), kernel.into()];
        words.extend(["-o".into(), scratch.join("btfgen.btf").into()]);
        words.extend(objects.iter().map(OsString::from));
        words
    };
    let bpftool = |kernel: &Path| bpftool(kernel, &scratch.join("bpftool.btf"), &objects);

    let jobs = [
        ("bpftool gen min_core_btf, once a kernel", kernels.iter().map(|kernel| bpftool(kernel)).collect()),
        ("btfgen minimize, once a kernel", kernels.iter().map(|kernel| minimize(kernel)).collect()),
        ("btfgen pack, one process for all", vec![pack]),
    ];
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
    Ok(())
}

type Job = (&'static str, Vec<Vec<OsString>>);

/// Median time of each job. The jobs take turns, so that a slow spell of the machine meets them all.
fn measure(jobs: &[Job]) -> Outcome<Vec<Duration>> {
    let mut times = vec![Vec::new(); jobs.len()];
    for _ in 0..RUNS {
        for ((_, commands), times) in jobs.iter().zip(&mut times) {
            let start = Instant::now();
            for words in commands {
                quiet(words)?;
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

fn bpftool_can(kernel: &Path, object: &PathBuf, scratch: &Path) -> bool {
    quiet(&bpftool(kernel, &scratch.join("probe.btf"), std::slice::from_ref(object))).is_ok()
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

/// Unpacks the `.btf.tar.xz` files of a hub tree, copies its raw ones, and returns the raw files of this machine's
/// architecture.
fn raw_kernels(hub: &Path, to: &Path) -> Outcome<Vec<PathBuf>> {
    for file in files::under(hub)? {
        let inside = file.strip_prefix(hub)?;
        let folder = to.join(inside.parent().unwrap_or(Path::new("")));
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !inside.components().any(|part| part.as_os_str() == files::hub_arch()) {
            continue;
        }
        if name.ends_with(".btf.tar.xz") {
            fs::create_dir_all(&folder)?;
            let mut tar = Command::new("tar");
            tar.arg("--no-same-owner").arg("-xJf").arg(&file).arg("-C").arg(&folder);
            shell::read(&mut tar)?;
        } else if name.ends_with(".btf") {
            fs::create_dir_all(&folder)?;
            fs::copy(&file, folder.join(name))?;
        }
    }
    let kernels = files::under(to)?;
    if kernels.is_empty() { Err(format!("no kernel in {}", hub.display()).into()) } else { Ok(kernels) }
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
