//! Arguments: the commands and their options. Wrong usage ends here, with exit code 2.

use std::path::PathBuf;

use btfgen_build::KernelId;
use clap::{Parser, Subcommand};

/// Cuts kernel BTF down to what eBPF objects relocate against.
///
/// Exit codes: 0 done, 1 the job failed, 2 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "btfgen", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Looks into an archive.
    Archive {
        #[command(subcommand)]
        command: ArchiveCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ArchiveCommand {
    /// Prints the kernel ids that an archive holds.
    List {
        /// The archive.
        archive: PathBuf,
        /// Prints a JSON array of kernel, blob and bytes.
        #[arg(long)]
        json: bool,
    },
    /// Prints how many kernels, distinct BTFs and bytes an archive holds, after checking all of it.
    Stat {
        /// The archive.
        archive: PathBuf,
        /// Prints a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Writes one kernel's minimized BTF.
    Extract {
        /// The archive.
        archive: PathBuf,
        /// The kernel id.
        kernel: KernelId,
        /// The file to write.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
}
