//! `btfgen`: the command line over the engine.

mod archive;
mod args;
mod hub;
mod inspect;
mod minimize;
mod output;
mod pack;
mod reference;
mod report;
mod select;
#[cfg(feature = "serve")]
mod serve;
mod vendor;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    run(args.command).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Minimize(args) => minimize::run(&args)?,
        Command::Pack(args) => pack::pack(&args)?,
        Command::Report(args) => return report::run(&args),
        Command::Inspect(args) => inspect::run(&args)?,
        Command::Select(args) => return select::run(&args),
        Command::Archive { command } => archive::run(command)?,
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(&args)?,
        Command::Vendor(args) => vendor::run(&args)?,
        Command::Hub { command } => hub::run(command)?,
        Command::Completions { shell } => reference::print_completions(shell)?,
        Command::Man { output } => reference::write_manual(&output)?,
    }
    Ok(ExitCode::SUCCESS)
}
