//! Bench: whole processes of `btfgen` against `bpftool gen min_core_btf` on the same kernels and objects, and the costs of a build
//! and at run time.

mod build;
mod commands;
mod forecast;
mod growth;
mod inputs;
mod instructions;
mod process;
mod runtime;
mod serve;
mod sets;
mod sizes;
mod speed;
mod synthetic;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use clap::ValueEnum;

use self::commands::Bench;
use self::inputs::Inputs;
use self::sets::SetName::{self, Diverse, Fifty, Large, Medium, Small, Three};
use crate::engine::BTFGEN;
use crate::setup;
use crate::shell::{self, Outcome, cargo};
pub(crate) use process::measured;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Pack from three forms of hub, against bpftool
    Speed,
    /// The archive, against bpftool's outputs
    Size,
    /// The forecast of the example's kernels, against pack
    Forecast,
    /// Pack over the number of kernels
    Growth,
    /// A build script without optimization, and the number of crates of a default build
    Build,
    /// A look-up, and the code that the runtime adds to a program
    Runtime,
    /// Instruction counts, against the committed ones
    Instructions,
    /// The server with many clients, damaged uploads and slow clients
    Serve,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only these parts
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,
    /// Only these sets of objects
    #[arg(long = "set", value_name = "SET")]
    sets: Vec<SetName>,
    /// Hub tree of raw BTFs, such as the one of `cargo xtask corpus`, instead of the example's hub file
    #[arg(long, value_name = "FOLDER")]
    hub: Option<PathBuf>,
    /// Number of kernels to compare on
    #[arg(long, value_name = "NUMBER", default_value_t = 175)]
    kernels: usize,
    /// Seconds of load on the server
    #[arg(long, value_name = "NUMBER", default_value_t = 60)]
    seconds: u64,
    /// Write the instruction counts to the committed file
    #[arg(long)]
    bless: bool,
    /// Objects to use instead of the sets
    #[arg(value_name = "OBJECT")]
    objects: Vec<PathBuf>,
    /// This program is optimized, and `btfgen` was built next to it
    #[arg(long, hide = true)]
    built: bool,
}

/// Runs `cargo xtask bench`: builds this program and `btfgen` with optimization, and runs that build.
pub(crate) fn run(options: &Options) -> Outcome {
    if options.built {
        return measure(options);
    }
    setup::run()?;
    let mut build = cargo();
    build.args(["build", "--release", "--package", "xtask", "--bin", "xtask"]).args(BTFGEN);
    let built = shell::build(&mut build)?;
    shell::run(Command::new(built.named("xtask")?).args(std::env::args_os().skip(1)).arg("--built"))
}

fn measure(options: &Options) -> Outcome {
    let scratch = shell::root().join("target/bench");
    fs::create_dir_all(&scratch)?;
    let bench = Bench { btfgen: std::env::current_exe()?.with_file_name("btfgen"), scratch };
    let is_wanted = |part: Part| options.only.is_empty() || options.only.contains(&part);
    let sets = |names: &[SetName]| {
        if !options.objects.is_empty() {
            return Ok(vec![sets::given(options.objects.clone())?]);
        }
        let names = names.iter().filter(|name| options.sets.is_empty() || options.sets.contains(name));
        names.filter_map(|name| name.load_if_possible(&bench.scratch)).collect::<Outcome<Vec<_>>>()
    };
    if is_wanted(Part::Speed) || is_wanted(Part::Size) {
        let inputs = Inputs::new(&bench.scratch, options.hub.as_deref(), options.kernels)?;
        if is_wanted(Part::Speed) {
            speed::describe(&bench, &inputs)?;
            for set in sets(&[Small, Medium, Large, Diverse])? {
                speed::compare(&bench, &inputs, &set)?;
            }
        }
        if is_wanted(Part::Size) {
            sizes::compare(&bench, &inputs, &sets(&[Small, Three, Fifty, Large, Diverse])?)?;
        }
    }
    if is_wanted(Part::Forecast) {
        forecast::compare(&bench, &sets(&[Three, Large, Diverse])?)?;
    }
    if is_wanted(Part::Growth) {
        growth::measure(&bench, &sets(&[Medium, Large])?)?;
    }
    if is_wanted(Part::Build) {
        build::measure(&bench, &sets(&[Three, Large])?)?;
    }
    if is_wanted(Part::Runtime) {
        runtime::measure(&bench, &sets(&[Three, Large, Diverse])?)?;
    }
    if is_wanted(Part::Instructions) {
        instructions::compare(&bench, options.bless)?;
    }
    if is_wanted(Part::Serve) {
        serve::measure(&bench, Duration::from_secs(options.seconds))?;
    }
    Ok(())
}
