//! Arguments: the commands and their options. Wrong usage ends here, with exit code 2.

use std::path::PathBuf;

use btfgen_core::KernelId;
use btfgen_core::hub::KernelFilter;
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
    /// Writes a kernel's minimized BTF for a set of objects.
    Minimize(Minimize),
    /// Writes the archive that a build would embed.
    Pack(Pack),
    /// Tells which relocation gets no value from which kernel.
    Report(Report),
    /// Prints which kernel of an archive a host gets; exit code 1 if it gets none.
    ///
    /// The host is this machine, but for what the options say.
    Select(Select),
    /// Looks into an archive.
    Archive {
        #[command(subcommand)]
        command: ArchiveCommand,
    },
    /// Collects kernels into a hub file.
    ///
    /// A source is a hub tree, a hub file, a kernel package (.deb, .rpm), or with --as a BTF, a vmlinux or a kernel image.
    /// A source that cannot be read is told of and skipped. A hub file that is there already is added to, and what it
    /// holds is not read again, so that an interrupted run goes on where it was.
    Vendor(Vendor),
    /// Looks into a hub, and merges hub files.
    Hub {
        #[command(subcommand)]
        command: HubCommand,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Minimize {
    /// The kernel's BTF: raw, packed (.xz, .gz, .zst, .tar.xz and so on), or an ELF file with a section .BTF.
    pub(crate) btf: PathBuf,
    /// The compiled eBPF objects.
    #[arg(required = true)]
    pub(crate) objects: Vec<PathBuf>,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Pack {
    #[command(flatten)]
    pub(crate) job: Job,
    /// zstd's compression level.
    #[arg(long, default_value_t = 19, value_parser = clap::value_parser!(i32).range(1..=22))]
    pub(crate) level: i32,
    /// What to do with a kernel that cannot serve a relocation.
    #[arg(long, value_enum, default_value_t = OnFailure::Warn)]
    pub(crate) on_failure: OnFailure,
    /// The archive to write.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) job: Job,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Vendor {
    /// The sources.
    #[arg(required_unless_present = "this_host")]
    pub(crate) sources: Vec<PathBuf>,
    /// Takes the running kernel's BTF too.
    #[arg(long)]
    pub(crate) this_host: bool,
    /// The kernel id of the one kernel that the source holds.
    #[arg(long = "as", value_name = "KERNEL")]
    pub(crate) kernel: Option<KernelId>,
    /// Takes the BTF of the kernels' modules too, from packages and the running kernel.
    #[arg(long)]
    pub(crate) modules: bool,
    /// Takes only kernels whose id one of these globs matches, such as 'debian/*/x86_64/*'.
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    pub(crate) include: Vec<String>,
    /// Leaves out kernels whose id one of these globs matches.
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    pub(crate) exclude: Vec<String>,
    /// Takes only kernels of these architectures, by the hub's names: x86_64, arm64.
    #[arg(long)]
    pub(crate) arch: Vec<String>,
    /// Takes every N-th kernel from the I-th on, I from 0 to N - 1; `btfgen hub merge` makes one of the N hub files.
    #[arg(long, value_name = "I/N", default_value = "0/1", value_parser = shard)]
    pub(crate) shard: (usize, usize),
    /// zstd's compression level.
    #[arg(long, default_value_t = 19, value_parser = clap::value_parser!(i32).range(1..=22))]
    pub(crate) level: i32,
    /// The hub file to write.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

fn shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(at, of)| Some((at.parse().ok()?, of.parse().ok()?)));
    parts.filter(|(at, of)| at < of).ok_or_else(|| "not I/N with I from 0 to N - 1".to_owned())
}

#[derive(Debug, clap::Args)]
pub(crate) struct Select {
    /// The archive.
    pub(crate) archive: PathBuf,
    /// The host's os-release; with --proc-version it may be that of a container on the host.
    #[arg(long, value_name = "FILE")]
    pub(crate) os_release: Option<PathBuf>,
    /// The host's release, as `uname -r` prints it.
    #[arg(long)]
    pub(crate) release: Option<String>,
    /// The host's machine, as `uname -m` prints it.
    #[arg(long)]
    pub(crate) machine: Option<String>,
    /// The host's /proc/version.
    #[arg(long, value_name = "FILE")]
    pub(crate) proc_version: Option<PathBuf>,
    /// Infers a missing kernel between two of its series that have one BTF.
    #[arg(long)]
    pub(crate) infer_nearest: bool,
    /// Prints a JSON object of kernel, source and reasons.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Objects, and the kernels they meet.
#[derive(Debug, clap::Args)]
pub(crate) struct Job {
    /// The compiled eBPF objects.
    #[arg(required = true)]
    pub(crate) objects: Vec<PathBuf>,
    /// The hub.
    #[arg(long)]
    pub(crate) hub: PathBuf,
    /// Takes only kernels whose id one of these globs matches, such as 'debian/*/x86_64/*'.
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    pub(crate) include: Vec<String>,
    /// Leaves out kernels whose id one of these globs matches.
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    pub(crate) exclude: Vec<String>,
    /// Takes only kernels of these architectures, by the hub's names: x86_64, arm64.
    #[arg(long)]
    pub(crate) arch: Vec<String>,
    /// Prints the report as a JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to do with a kernel that cannot serve a relocation.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum OnFailure {
    /// Keep it and warn.
    Warn,
    /// Write nothing and fail.
    Error,
    /// Leave it out and warn.
    Drop,
}

/// Wrong globs are wrong usage.
fn glob(text: &str) -> Result<String, String> {
    match KernelFilter::new(&[text], &[], &[]) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
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

#[derive(Debug, Subcommand)]
pub(crate) enum HubCommand {
    /// Prints the kernel ids of a hub file or hub tree.
    List {
        /// The hub.
        hub: PathBuf,
        /// Prints a JSON array; of a hub file with provenance, SHA-256 and bytes of each source BTF.
        #[arg(long)]
        json: bool,
    },
    /// Prints what the kernels of a hub file share, after checking all of it.
    Stat {
        /// The hub file.
        hub: PathBuf,
        /// Prints a JSON object.
        #[arg(long)]
        json: bool,
        /// Writes the growth of distinct types as an SVG image.
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
    },
    /// Writes one kernel of a hub file as a raw BTF.
    Extract {
        /// The hub file.
        hub: PathBuf,
        /// The kernel id.
        kernel: KernelId,
        /// The file to write.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Writes the union of hub files, whatever their order.
    Merge {
        /// The hub files.
        #[arg(required = true)]
        hubs: Vec<PathBuf>,
        /// The hub file to write; it may be one of those read.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// zstd's compression level.
        #[arg(long, default_value_t = 19, value_parser = clap::value_parser!(i32).range(1..=22))]
        level: i32,
    },
}
