//! Steps: what must hold before a change is taken, and the quick part of it for after each edit.

use std::time::Instant;

use clap::builder::PossibleValuesParser;

use crate::shell::{self, Outcome, cargo};
use crate::{browser, demo, documents, engine, fixtures, kernels, packages, publish, setup, tidy};

struct Step {
    name: &'static str,
    /// Whether `cargo xtask check` runs it.
    quick: bool,
    action: Action,
}

enum Action {
    Cargo(&'static [&'static str]),
    Task(fn() -> Outcome),
}

use Action::{Cargo, Task};

const STEPS: &[Step] = &[
    Step { name: "setup", quick: false, action: Task(setup::run) },
    Step { name: "format", quick: true, action: Cargo(&["fmt", "--all", "--check"]) },
    Step { name: "tidy", quick: true, action: Task(tidy::run) },
    Step {
        name: "lints",
        quick: true,
        action: Cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]),
    },
    Step {
        name: "unit-tests",
        quick: true,
        action: Cargo(&["test", "--quiet", "--workspace", "--all-features", "--lib", "--bins"]),
    },
    Step {
        name: "tests",
        quick: false,
        action: Cargo(&["test", "--workspace", "--all-features", "--test", "*", "--examples"]),
    },
    Step {
        name: "doc-tests",
        quick: false,
        action: Cargo(&["test", "--workspace", "--all-features", "--doc"]),
    },
    Step { name: "features", quick: false, action: Task(features) },
    Step { name: "fixtures", quick: false, action: Task(fixtures::check_if_possible) },
    Step { name: "documentation", quick: false, action: Task(documentation) },
    Step { name: "packages", quick: false, action: Task(packages::check) },
    Step { name: "docs", quick: false, action: Task(documents::run_all) },
    Step { name: "deny", quick: false, action: Task(publish::deny_if_possible) },
    Step { name: "deploy", quick: false, action: Task(publish::deploy_if_possible) },
    Step { name: "demo", quick: false, action: Task(demo::run) },
    Step { name: "browser", quick: false, action: Task(browser::run_if_possible) },
    Step { name: "kernels", quick: false, action: Task(kernels::run_if_possible) },
];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only these steps, in the order of the whole run
    #[arg(value_name = "STEP", value_parser = PossibleValuesParser::new(STEPS.iter().map(|step| step.name)))]
    steps: Vec<String>,
}

/// Runs `cargo xtask check`.
pub(crate) fn check() -> Outcome {
    run(STEPS.iter().filter(|step| step.quick), true)
}

/// Runs `cargo xtask test`.
pub(crate) fn test(options: &Options) -> Outcome {
    let is_chosen =
        |step: &&Step| options.steps.is_empty() || options.steps.iter().any(|name| name == step.name);
    run(STEPS.iter().filter(is_chosen), false)
}

fn run<'a>(steps: impl Iterator<Item = &'a Step>, offline: bool) -> Outcome {
    let start = Instant::now();
    let mut times = Vec::new();
    for step in steps {
        eprintln!("\n==> {}, after {:.0}s", step.name, start.elapsed().as_secs_f32());
        let start = Instant::now();
        let outcome = match step.action {
            Cargo(args) => shell::run(cargo().args(args).env("CARGO_NET_OFFLINE", offline.to_string())),
            Task(run) => run(),
        };
        outcome.map_err(|error| format!("step {} failed: {error}", step.name))?;
        times.push(format!("{} {:.0}s", step.name, start.elapsed().as_secs_f32()));
    }
    eprintln!("\nall passed in {:.0}s: {}", start.elapsed().as_secs_f32(), times.join(", "));
    Ok(())
}

/// Checks each library with each choice of features; the tests run with all of them.
fn features() -> Outcome {
    for (package, choices) in engine::FEATURES {
        for features in *choices {
            let args =
                ["check", "--quiet", "--package", package, "--no-default-features", "--features", features];
            shell::run(cargo().args(args))?;
        }
    }
    Ok(())
}

fn documentation() -> Outcome {
    let args = ["doc", "--workspace", "--no-deps", "--all-features"];
    shell::run(cargo().args(args).env("RUSTDOCFLAGS", "-D warnings"))
}
