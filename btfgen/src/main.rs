//! `btfgen`: the command line over the library, for looking at what a build does and for doing it by hand.

mod archive;
mod args;
mod hub;
mod minimize;
mod output;
mod pack;
mod plot;
mod select;
mod vendor;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

/// What a command ends in, when nothing failed.
enum Outcome {
    /// Exit code 0.
    Done,
    /// The host is refused: exit code 1.
    Refused,
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(args.command) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Refused) => ExitCode::FAILURE,
        Err(error) => {
            eprint!("{}", output::report(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<Outcome> {
    match command {
        Command::Minimize(args) => minimize::run(&args),
        Command::Pack(args) => pack::pack(&args),
        Command::Report(args) => pack::report(&args),
        Command::Select(args) => select::run(&args),
        Command::Archive { command } => archive::run(command),
        Command::Vendor(args) => vendor::run(&args),
        Command::Hub { command } => hub::run(command),
    }
}
