//! Arguments: the commands and their options. Wrong usage ends here, with exit code 2.

#[cfg(feature = "serve")]
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Result;
use btfgen_core::hub::KernelFilter;
use btfgen_core::{DEFAULT_LEVEL, KernelId};
use btfgen_runtime::BuildId;
use clap::{Parser, Subcommand};
use clap_complete::Shell;
use glob::Pattern;

/// Minimize kernel BTF for eBPF objects, and collect kernels into hub files.
#[derive(Debug, Parser)]
#[command(name = "btfgen", version = env!("BTFGEN_VERSION"), disable_help_subcommand = true)]
#[command(after_help = "\
Examples:
  btfgen vendor --this-host -o kernels.hub                   # collect kernels
  btfgen pack --hub kernels.hub tool.bpf.o -o tool.archive   # what a build script embeds
  btfgen report --hub kernels.hub tool.bpf.o                 # which program runs on which kernel
  btfgen inspect tool.bpf.o                                  # what each program requires of a kernel
  btfgen select tool.archive                                 # which kernel's BTF this host uses

Exit codes: 0 success, 1 failure, 2 wrong usage, 3 a requirement or the baseline of btfgen report is broken. Output has no colors.")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const REPORT_HELP: &str = "\
Verdicts: runs, every requirement is met; likely, all that BTF tells is there, but whether a function can be attached to is not
known; fails, a requirement is missing; unknown, the reasons say what to check. An object is as its worst program that is not
optional. Globs over kernels are as in --include: * matches within a part of the id, ** across parts.

Examples:
  btfgen report --hub kernels.hub tool.bpf.o                                # one screen for all kernels
  btfgen report --hub kernels.hub tool.bpf.o --program 'handle_*'           # all reasons of some programs
  btfgen report --hub kernels.hub tool.bpf.o --kernel 'debian/11/**'        # all programs on some kernels
  btfgen report --hub kernels.hub tool.bpf.o --optional 'fentry_*' --target trace_read=vfs_read
  btfgen report --hub kernels.hub tool.bpf.o --require 'debian/12/**' --unknown deny   # for CI: exit code 3 if broken
  btfgen report --hub kernels.hub tool.bpf.o --format json > old.json
  btfgen report --hub kernels.hub tool.bpf.o --baseline old.json            # what is better or worse than in old.json
  btfgen report --hub kernels.hub tool.bpf.o --format html -o report.html   # a page for a browser, in one file
  btfgen report --hub kernels.hub tool.bpf.o --format tsv | grep -P '\\tfails\\t'

Format tsv has one line for each kernel, object and program: kernel id, object, program, verdict, reasons joined by \"; \". Tabs,
newlines and backslashes in a field are \\t, \\n and \\\\.

Exit codes: 0 success, 1 failure, 2 wrong usage, 3 a requirement is broken or something is worse than in the baseline.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a kernel's minimized BTF for a set of objects.
    Minimize(Minimize),
    /// Write the archive that a build script embeds.
    #[command(after_help = "\
Examples:
  btfgen pack --hub kernels.hub tool.bpf.o -o tool.archive
  btfgen pack --hub kernels.hub --include 'debian/12/**' --arch arm64 *.bpf.o -o tools.archive")]
    Pack(Pack),
    /// Print whether each program runs on each kernel, and why not.
    #[command(after_help = REPORT_HELP)]
    Report(Report),
    /// Print what each program of an object requires of a kernel.
    #[command(after_help = "\
The versions are those of upstream Linux; vendors backport. Exit code 1 if an object cannot be read.

Examples:
  btfgen inspect tool.bpf.o
  btfgen inspect *.bpf.o --json")]
    Inspect(Inspect),
    /// Print the kernel of an archive whose BTF a host uses.
    #[command(after_help = "\
Without options the host is this machine. Exit code 1 if no kernel is selected.

Examples:
  btfgen select tool.archive
  btfgen select tool.archive --proc-version host/proc-version --machine x86_64 --json
  btfgen select tool.archive --release 5.4.0-84-generic --machine x86_64 --os-release host/os-release")]
    Select(Select),
    /// List, count or extract the kernels of an archive.
    Archive {
        #[command(subcommand)]
        command: ArchiveCommand,
    },
    /// Answer over HTTP: forecasts, minimized BTF, archives, and a page for people.
    #[cfg(feature = "serve")]
    #[command(after_help = "\
Nothing that is sent is stored. TLS and access control are the job of a reverse proxy. SIGTERM and SIGINT end the server.

Examples:
  btfgen serve --hub kernels.hub                                        # then open http://127.0.0.1:8080/
  btfgen serve --hub kernels.hub --object tool.bpf.o --listen 0.0.0.0:80  # programs ask for their kernel's BTF
  curl -F object=@tool.bpf.o http://127.0.0.1:8080/api/v1/forecast")]
    Serve(Serve),
    /// Collect kernels' BTF into a hub file.
    #[command(after_help = "\
An existing hub file is added to. Its kernels are not read again from the same folder or package, so an interrupted run
continues where it stopped. Unreadable sources are reported and skipped.

Examples:
  btfgen vendor --this-host -o kernels.hub
  btfgen vendor linux-image-*.deb kernel-core-*.rpm -o kernels.hub
  btfgen vendor btfhub-archive --include 'ubuntu/*/x86_64/*' -o kernels.hub
  btfgen vendor vmlinux --as custom/mine/x86_64/6.1.0-mine -o kernels.hub")]
    Vendor(Vendor),
    /// List, count, extract or merge the kernels of hubs.
    Hub {
        #[command(subcommand)]
        command: HubCommand,
    },
    /// Print a script that completes the command line in a shell.
    #[command(after_help = "\
Examples:
  btfgen completions bash > ~/.local/share/bash-completion/completions/btfgen
  btfgen completions fish > ~/.config/fish/completions/btfgen.fish")]
    Completions {
        /// Shell to complete in.
        shell: Shell,
    },
    /// Write the manual pages, one for each command.
    Man {
        /// Folder to write btfgen.1, btfgen-vendor.1, ... to.
        #[arg(short, long, value_name = "FOLDER")]
        output: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Minimize {
    /// Kernel's BTF: raw, compressed (.xz, .gz, .zst, .tar.xz, ...), or a vmlinux.
    pub(crate) btf: PathBuf,
    /// Compiled eBPF objects.
    #[arg(required = true)]
    pub(crate) objects: Vec<PathBuf>,
    /// BTF file to write.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Pack {
    #[command(flatten)]
    pub(crate) job: Job,
    #[command(flatten)]
    pub(crate) level: Level,
    /// If a relocation fails on a kernel: keep the kernel, or drop it.
    #[arg(long, value_name = "ACTION", value_enum, default_value_t = OnFailure::Keep)]
    pub(crate) on_failure: OnFailure,
    /// Store the build ids of the hub's kernels that nothing else identifies, or of all.
    #[arg(long, value_name = "WHICH", value_enum, default_value_t = BuildIds::Needed)]
    pub(crate) build_ids: BuildIds,
    /// Archive to write.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Print the report as JSON, as btfgen report does.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) job: Job,
    /// Form of the report.
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// File to write instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print only kernels whose id matches, each with all reasons of each program.
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    pub(crate) kernel: Vec<String>,
    /// Print only programs whose name matches, with all their reasons.
    #[arg(long, value_name = "GLOB", value_parser = pattern)]
    pub(crate) program: Vec<Pattern>,
    /// Programs that may fail: they count for neither the object nor --require.
    #[arg(long, value_name = "GLOB", value_parser = pattern)]
    pub(crate) optional: Vec<Pattern>,
    /// What the loader attaches a program to; TARGET is as after the slash of a section's name.
    #[arg(long, value_name = "PROGRAM=TARGET", value_parser = target)]
    pub(crate) target: Vec<(String, String)>,
    /// Judge as with the kernel's own BTF on every kernel, or with the embedded one alone [default: what the hub knows of each kernel].
    #[arg(long, value_name = "BTF", value_enum)]
    pub(crate) btf: Option<Deployment>,
    /// Kernels on which every program that is not optional must not fail.
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    pub(crate) require: Vec<String>,
    /// With deny, a program with verdict unknown breaks --require.
    #[arg(long, value_name = "ACTION", value_enum, default_value_t = Unknown::Allow, requires = "require")]
    pub(crate) unknown: Unknown,
    /// Compare with an earlier report, printed with --format json.
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Tsv,
    Html,
}

/// With which BTF programs are deployed.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Deployment {
    Own,
    Embedded,
}

/// Whether a required program passes if it is unknown whether it runs.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Unknown {
    Allow,
    Deny,
}

pub(crate) fn pattern(text: &str) -> Result<Pattern, String> {
    Pattern::new(text).map_err(|error| format!("not a glob: {error}"))
}

pub(crate) fn target(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(program, target)| !program.is_empty() && !target.is_empty());
    let (program, target) = parts.ok_or("not PROGRAM=TARGET")?;
    Ok((program.to_owned(), target.to_owned()))
}

#[derive(Debug, clap::Args)]
pub(crate) struct Vendor {
    /// Hub folders or files, kernel packages (.deb, .rpm), or with --as one BTF file, vmlinux or kernel image.
    #[arg(required_unless_present = "this_host")]
    pub(crate) sources: Vec<PathBuf>,
    /// Add the running kernel's BTF.
    #[arg(long)]
    pub(crate) this_host: bool,
    /// Kernel id for a source with one kernel: <distro>/<version>/<arch>/<release>.
    #[arg(long = "as", value_name = "KERNEL")]
    pub(crate) kernel: Option<KernelId>,
    /// Build id of that kernel if its source has none: 40 hexadecimal digits, as printed by readelf -n vmlinux.
    #[arg(long, value_name = "HEX", requires = "kernel")]
    pub(crate) build_id: Option<BuildId>,
    /// Add the BTF of kernel modules too, all or these (packages and --this-host).
    #[arg(long, value_name = "NAME,...", num_args = 0.., value_delimiter = ',', require_equals = true)]
    pub(crate) modules: Option<Vec<String>>,
    #[command(flatten)]
    pub(crate) kernels: Kernels,
    /// Only every N-th kernel, from the I-th (0 to N-1); join the files with btfgen hub merge.
    #[arg(long, value_name = "I/N", default_value = "0/1", value_parser = shard, hide_default_value = true)]
    pub(crate) shard: Shard,
    #[command(flatten)]
    pub(crate) level: Level,
    /// Hub file to write or add to.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// Every `shards`-th kernel, from number `index` on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shard {
    pub(crate) index: usize,
    pub(crate) shards: usize,
}

fn shard(text: &str) -> Result<Shard, String> {
    let numbers = text
        .split_once('/')
        .and_then(|(index, shards)| Some(Shard { index: index.parse().ok()?, shards: shards.parse().ok()? }));
    numbers.filter(|it| it.index < it.shards).ok_or_else(|| "not I/N with I from 0 to N-1".to_owned())
}

#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Compiled eBPF objects.
    #[arg(required = true)]
    pub(crate) objects: Vec<PathBuf>,
    /// Print the requirements, with each instruction that needs them, as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Select {
    /// Archive, as written by a build script or btfgen pack.
    pub(crate) archive: PathBuf,
    /// Host's os-release file; with --proc-version it may be a container's.
    #[arg(long, value_name = "FILE")]
    pub(crate) os_release: Option<PathBuf>,
    /// Host's release, as printed by uname -r.
    #[arg(long)]
    pub(crate) release: Option<String>,
    /// Host's machine, as printed by uname -m.
    #[arg(long)]
    pub(crate) machine: Option<String>,
    /// Copy of the host's /proc/version.
    #[arg(long, value_name = "FILE")]
    pub(crate) proc_version: Option<PathBuf>,
    /// Host's build id, 40 hexadecimal digits, as in /sys/kernel/notes.
    #[arg(long, value_name = "HEX")]
    pub(crate) build_id: Option<BuildId>,
    /// Use a neighbor's BTF if the kernels just below and above have identical BTFs.
    #[arg(long)]
    pub(crate) infer_nearest: bool,
    /// Print the kernel and the reasons as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(feature = "serve")]
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// Hub file; see btfgen vendor.
    #[arg(long)]
    pub(crate) hub: PathBuf,
    /// Object, or program that contains objects, whose minimized BTFs are given out by kernel.
    #[arg(long = "object", value_name = "FILE")]
    pub(crate) objects: Vec<PathBuf>,
    /// Address and port to listen on; port 0 takes a free one, which is printed.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub(crate) listen: String,
    /// Largest body of a request, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) max_body: u32,
    /// Bodies of all requests that are held in memory at once, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub(crate) max_bodies: u32,
    /// Requests that are worked on at once [default: number of cores].
    #[arg(long, value_name = "NUMBER")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Requests that wait for their turn; more are refused with status 503.
    #[arg(long, value_name = "NUMBER", default_value_t = 128)]
    pub(crate) queue: u16,
    /// Seconds that a request waits and is worked on.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: u64,
}

/// Objects, and the kernels they run on.
#[derive(Debug, clap::Args)]
pub(crate) struct Job {
    /// Compiled eBPF objects.
    #[arg(required = true)]
    pub(crate) objects: Vec<PathBuf>,
    /// Hub file or BTFHub-style folder; see btfgen vendor.
    #[arg(long)]
    pub(crate) hub: PathBuf,
    #[command(flatten)]
    pub(crate) kernels: Kernels,
}

/// Kernels chosen by their ids.
#[derive(Debug, clap::Args)]
pub(crate) struct Kernels {
    /// Only kernels whose id matches one of these globs, such as 'debian/*/x86_64/*'; repeat it for several.
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    include: Vec<String>,
    /// No kernels whose id matches one of these globs; repeat it for several.
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    exclude: Vec<String>,
    /// Only kernels of these architectures, such as x86_64 or arm64; repeat it for several.
    #[arg(long)]
    arch: Vec<String>,
}

impl Kernels {
    pub(crate) fn filter(&self) -> Result<KernelFilter> {
        Ok(KernelFilter::new(&self.include, &self.exclude, &self.arch)?)
    }
}

/// An invalid glob is wrong usage.
fn glob(text: &str) -> Result<String, String> {
    match KernelFilter::new(&[text], &[], &[]) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Level {
    /// Compression level of zstd.
    #[arg(long, default_value_t = DEFAULT_LEVEL, value_parser = clap::value_parser!(i32).range(1..=22))]
    pub(crate) level: i32,
}

/// What to do with a kernel that fails a relocation.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum OnFailure {
    Keep,
    Drop,
}

/// For which kernels the build id is stored.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum BuildIds {
    Needed,
    All,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ArchiveCommand {
    /// Print the kernel ids of an archive.
    List {
        /// Archive to read.
        archive: PathBuf,
        /// Print the kernels, the indexes of their BTFs and their build ids as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check an archive, and print its numbers of kernels, distinct BTFs and bytes.
    Stat {
        /// Archive to read.
        archive: PathBuf,
        /// Print the numbers as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write one kernel's minimized BTF.
    Extract {
        /// Archive to read.
        archive: PathBuf,
        /// Kernel id, as printed by btfgen archive list.
        kernel: KernelId,
        /// BTF file to write.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum HubCommand {
    /// Print the kernel ids of a hub.
    List {
        /// Hub file or BTFHub-style folder.
        hub: PathBuf,
        /// Print the ids as JSON; for a hub file with build id, provenance, SHA-256, size and defects of each source BTF.
        #[arg(long)]
        json: bool,
    },
    /// Check a hub file, and print its numbers of kernels, types and bytes.
    Stat {
        /// Hub file to read.
        hub: PathBuf,
        /// List the kernels whose BTF has defects.
        #[arg(short, long, conflicts_with = "json")]
        verbose: bool,
        /// Print the numbers as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write one kernel of a hub file as raw BTF.
    Extract {
        /// Hub file to read.
        hub: PathBuf,
        /// Kernel id, as printed by btfgen hub list.
        kernel: KernelId,
        /// BTF file to write.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Merge hub files; their order has no effect.
    Merge {
        /// Hub files to read.
        #[arg(required = true)]
        hubs: Vec<PathBuf>,
        /// Hub file to write; may be one of those read.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        #[command(flatten)]
        level: Level,
    },
}
