//! Reference: shell completions and manual pages, made from the definition of the command line.

use std::path::Path;

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::output::print;

pub(crate) fn print_completions(shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "btfgen", &mut script);
    print(&String::from_utf8(script)?)
}

/// Writes a page for the command and for each of its subcommands.
pub(crate) fn write_manual(folder: &Path) -> Result<()> {
    clap_mangen::generate_to(Args::command(), folder)
        .with_context(|| format!("cannot write manual pages to {}", folder.display()))
}
