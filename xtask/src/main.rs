//! Every task of the project: `cargo xtask <TASK>`. CI runs nothing else.

mod architecture;
mod bench;
mod browser;
mod corpus;
mod cross;
mod demo;
mod documents;
mod engine;
mod files;
mod fixtures;
mod kernels;
mod nearest;
mod oracle;
mod packages;
mod parallel;
mod publish;
mod selftests;
mod setup;
mod shell;
mod steps;
mod table;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use shell::Outcome;

/// Every task of the project.
///
/// After each edit run `cargo xtask check`; before a change is taken, `cargo xtask test`.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", subcommand_value_name = "TASK", subcommand_help_heading = "Tasks")]
#[command(disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run format, tidy, lints and unit tests, offline (not the tests in tests/)
    Check,
    /// Run all steps that a pull request must pass
    Test(steps::Options),
    /// Check file headers, file lengths, paths of one machine, and the order of modules
    Tidy,
    /// Install what the other tasks need and this machine lacks
    Setup,
    /// Load execwatch on this kernel with the kernel's BTF hidden
    Demo,
    /// Load execwatch on Debian's kernels, booted under QEMU without BTF, and compare the forecast with them
    Kernels(kernels::Options),
    /// Open the report as a page in Chromium, and use it as a reader does
    Browser(browser::Options),
    /// Make a chroot that builds for another architecture, for `kernels --arch`
    Cross(cross::Options),
    /// Measure btfgen against bpftool, and the costs of a build and at run time
    Bench(bench::Options),
    /// Rebuild testdata with clang
    Fixtures(fixtures::Options),
    /// Compare the resolver with libbpf, aya-obj and bpftool on testdata
    Oracle(oracle::Options),
    /// Run the kernel's own CO-RE cases, from Debian's linux-source package
    Selftests(selftests::Options),
    /// Build a program from the packages as they are published, and compare the public API with the committed listings
    Packages(packages::Options),
    /// Leave each vendored kernel out and count how often the nearest match is right
    Nearest,
    /// Collect the BTF of every kernel on Debian's mirror
    Corpus(corpus::Options),
    /// Run the commands in README.md and docs as a reader would, and compare their output
    Docs(documents::Options),
    /// Check licenses, versions and sources of dependencies with cargo-deny
    Deny,
    /// Validate the files for Kubernetes and GitHub against their schemas
    Deploy,
    /// Build the fuzz targets, and run each for a minute
    Fuzz(publish::FuzzOptions),
    /// Build the libraries with the oldest dependencies that their manifests allow
    MinimalVersions,
    /// Run the commands on standard input and print what they cost
    #[command(hide = true)]
    Measured,
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Outcome {
    match task {
        Task::Check => steps::check(),
        Task::Test(options) => steps::test(&options),
        Task::Tidy => tidy::run(),
        Task::Setup => setup::run(),
        Task::Demo => demo::run(),
        Task::Kernels(options) => kernels::run(&options),
        Task::Browser(options) => browser::run(&options),
        Task::Cross(options) => cross::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Fixtures(options) => fixtures::run(&options),
        Task::Oracle(options) => oracle::run(&options),
        Task::Selftests(options) => selftests::run(&options),
        Task::Packages(options) => packages::run(&options),
        Task::Nearest => nearest::run(),
        Task::Corpus(options) => corpus::run(&options),
        Task::Docs(options) => documents::run(&options),
        Task::Deny => publish::deny(),
        Task::Deploy => publish::deploy(),
        Task::Fuzz(options) => publish::fuzz(&options),
        Task::MinimalVersions => publish::minimal_versions(),
        Task::Measured => bench::measured(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_command_line() {
        let check = |line: &str, expect: bool| {
            let words = ["xtask"].into_iter().chain(line.split_whitespace());
            assert_eq!(Cli::try_parse_from(words).is_ok(), expect, "{line}");
        };
        check("check", true);
        check("test format tidy", true);
        check("test nothing", false);
        check("bench --only growth --only size --set large --hub corpus --kernels 20 --bless a.o", true);
        for wrong in ["--only", "--only x", "--set x", "--kernels many", "--blessed"] {
            check(&format!("bench {wrong}"), false);
        }
        check("corpus --tree t --hub k.hub --include debian/*/x86_64/* --exclude */*/*/7.*", true);
        check("corpus --hub k.hub", false);
        check("corpus --tree", false);
        check("kernels --ci --forecast", true);
        check("browser --screenshots folder", true);
        check("docs README.md docs/vendoring.md", true);
        check("fuzz object btf --seconds 5", true);
        check("minimal-versions", true);
        check("kernels --ci --only 3", false);
        check("kernels --arch arm64 --arch ppc64el", true);
        check("kernels --arch sparc", false);
        check("cross s390x", true);
        check("cross", false);
        check("", false);
    }
}
