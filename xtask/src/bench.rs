//! Bench: whole processes of `btfgen` against `bpftool gen min_core_btf`, same kernels and objects, one run.

mod growth;
mod inputs;
mod instructions;
mod plot;
mod process;
mod runtime;
mod sizes;
mod speed;
mod synthetic;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use self::inputs::{Inputs, Set};
use crate::setup;
use crate::shell::{self, Outcome, cargo};

/// Kernels that are compared on, unless told otherwise.
const KERNELS: usize = 175;

/// First argument of the optimized program, beside which `btfgen` has just been built.
const BUILT: &str = "built";

const USAGE: &str = "takes [--only PART]... [--set SET]... [--hub FOLDER] [--kernels N] [--bless] [OBJECT]...
parts: speed, size, growth, verify, runtime, instructions
sets: small, three, fifty, medium, large, diverse";

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Pack against bpftool, from three forms of hub.
    Speed,
    /// The archive against bpftool's outputs.
    Size,
    /// Pack over the number of kernels.
    Growth,
    /// Verification's share of a run without optimization, as in a build script.
    Verify,
    /// Look-up, and what the runtime adds to a program.
    Runtime,
    /// Instruction counts against the committed ones.
    Instructions,
}

const PARTS: [(&str, Part); 6] = [
    ("speed", Part::Speed),
    ("size", Part::Size),
    ("growth", Part::Growth),
    ("verify", Part::Verify),
    ("runtime", Part::Runtime),
    ("instructions", Part::Instructions),
];

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    /// All if empty.
    only: Vec<Part>,
    /// All if empty.
    sets: Vec<&'static str>,
    /// A hub tree of raw BTFs, such as `cargo xtask corpus` fills; without it kernels of the example's hub file are taken.
    hub: Option<PathBuf>,
    kernels: Option<usize>,
    /// Writes the instruction counts.
    bless: bool,
    /// Instead of the sets.
    objects: Vec<PathBuf>,
}

impl Options {
    fn parse(args: &[String]) -> Outcome<Self> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value; {USAGE}"));
            match arg.as_str() {
                "--only" => options.only.push(part(value()?)?),
                "--set" => options.sets.push(set(value()?)?),
                "--hub" => options.hub = Some(value()?.into()),
                "--kernels" => options.kernels = Some(value()?.parse()?),
                "--bless" => options.bless = true,
                flag if flag.starts_with('-') => return Err(USAGE.into()),
                object => options.objects.push(object.into()),
            }
        }
        Ok(options)
    }

    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn wants_set(&self, name: &str) -> bool {
        self.sets.is_empty() || self.sets.contains(&name)
    }
}

fn part(name: &str) -> Outcome<Part> {
    let known = PARTS.iter().find(|(known, _)| *known == name);
    Ok(known.ok_or_else(|| format!("no part {name}; {USAGE}"))?.1)
}

fn set(name: &str) -> Outcome<&'static str> {
    let known = inputs::SETS.into_iter().find(|known| *known == name);
    Ok(known.ok_or_else(|| format!("no set {name}; {USAGE}"))?)
}

/// `cargo xtask bench`: builds this program and `btfgen` with optimization, and lets that one measure.
pub(crate) fn run(args: &[String]) -> Outcome {
    if args.first().is_some_and(|arg| arg == process::MEASURED) {
        return process::measured();
    }
    let scratch = shell::root().join("target/bench");
    fs::create_dir_all(&scratch)?;
    if let Some((BUILT, args)) = args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return measure(&Options::parse(args)?, &scratch);
    }
    let options = Options::parse(args)?;
    if !cfg!(debug_assertions) {
        return Err(
            "this program is optimized: run `cargo xtask bench`, which builds what it measures".into()
        );
    }
    setup::run(&[])?;
    let mut build = cargo();
    build.args(["build", "--release", "--package", "xtask", "--package", "btfgen"]);
    build.args(["--bin", "xtask", "--bin", "btfgen"]);
    let built = shell::build(&mut build)?;
    shell::run(Command::new(built.named("xtask")?).arg("bench").arg(BUILT).args(args))?;
    if options.wants(Part::Verify) {
        println!("\nverification without optimization, as in a build script, on one thread");
        let inputs = Inputs::new(&scratch, options.hub.as_deref(), options.kernels.unwrap_or(KERNELS))?;
        for set in sets(&options, &scratch)? {
            let share = verify::share(&inputs.hub(), &set.objects)?;
            println!("  {:<8} {:>3.0}% of the run from the hub file", set.name, share * 100.0);
        }
    }
    Ok(())
}

fn measure(options: &Options, scratch: &Path) -> Outcome {
    let btfgen = std::env::current_exe()?.with_file_name("btfgen");
    if options.wants(Part::Speed) || options.wants(Part::Size) {
        let kernels = options.kernels.unwrap_or(KERNELS);
        let inputs = Inputs::new(scratch, options.hub.as_deref(), kernels)?;
        if options.wants(Part::Speed) {
            speed::describe(&btfgen, scratch, &inputs)?;
            for set in sets(options, scratch)? {
                speed::compare(&btfgen, scratch, &inputs, &set)?;
            }
        }
        if options.wants(Part::Size) {
            let sets = inputs::weighed(scratch, |name| options.wants_set(name))?;
            sizes::compare(&btfgen, scratch, &inputs, &sets)?;
        }
    }
    if options.wants(Part::Growth) {
        growth::curve(&btfgen, scratch)?;
    }
    if options.wants(Part::Runtime) {
        runtime::costs(&btfgen, scratch)?;
    }
    if options.wants(Part::Instructions) {
        instructions::guard(&btfgen, scratch, options.bless)?;
    }
    Ok(())
}

/// The sets of objects that are asked for.
fn sets(options: &Options, scratch: &Path) -> Outcome<Vec<Set>> {
    if !options.objects.is_empty() {
        return inputs::given(options.objects.clone());
    }
    let mut sets = inputs::timed(scratch)?;
    sets.retain(|set| options.wants_set(set.name));
    Ok(sets)
}

/// The words of `btfgen pack`.
fn pack(btfgen: &Path, hub: &Path, archive: &Path, set: &Set) -> Vec<String> {
    let text = |path: &Path| path.display().to_string();
    let mut words = vec![text(btfgen), "pack".to_owned(), "--hub".to_owned(), text(hub)];
    words.extend(["-o".to_owned(), text(archive)]);
    words.extend(set.words());
    words
}

/// Packs, and returns the report.
fn packed(btfgen: &Path, hub: &Path, archive: &Path, set: &Set) -> Outcome<serde_json::Value> {
    let mut words = pack(btfgen, hub, archive, set);
    words.push("--json".to_owned());
    let output = command(&words)?.output()?;
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout)?);
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
}

/// The words of `bpftool gen min_core_btf`.
fn bpftool(kernel: &Path, output: &Path, set: &Set) -> Vec<String> {
    // Not in every user's PATH.
    let debian = "/usr/sbin/bpftool";
    let program = if Path::new(debian).exists() { debian } else { "bpftool" };
    let mut words = [program, "gen", "min_core_btf"].map(str::to_owned).to_vec();
    words.extend([kernel, output].map(|path| path.display().to_string()));
    words.extend(set.words());
    words
}

/// A command of words.
fn command(words: &[String]) -> Outcome<Command> {
    let [program, args @ ..] = words else { return Err("no command".into()) };
    let mut command = Command::new(program);
    command.args(args);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_options() {
        let check = |line: &str, expect: Options| {
            let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            assert_eq!(Options::parse(&args).unwrap(), expect, "{line}");
        };
        check("", Options::default());
        check(
            "--only growth --only size a.o",
            Options {
                only: vec![Part::Growth, Part::Size],
                objects: vec!["a.o".into()],
                ..Options::default()
            },
        );
        check(
            "--hub corpus --kernels 20 --set large --bless",
            Options {
                hub: Some("corpus".into()),
                kernels: Some(20),
                sets: vec!["large"],
                bless: true,
                ..Options::default()
            },
        );
        for wrong in ["--only", "--only x", "--set x", "--kernels many", "--blessed"] {
            let args: Vec<String> = wrong.split_whitespace().map(str::to_owned).collect();
            assert!(Options::parse(&args).is_err(), "{wrong}");
        }
    }
}
