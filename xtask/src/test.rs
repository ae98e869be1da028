//! Test: everything that must hold before a change is taken, in one command.

use std::process::Command;
use std::time::Instant;

use crate::shell::{self, Outcome, cargo};
use crate::{demo, fixtures, kernels, setup, tidy};

struct Step {
    name: &'static str,
    run: fn() -> Outcome,
}

const STEPS: &[Step] = &[
    Step { name: "setup", run: || setup::run(&[]) },
    Step { name: "format", run: || shell::run(cargo().args(["fmt", "--all", "--check"])) },
    Step { name: "tidy", run: || tidy::run(&[]) },
    Step { name: "lints", run: lints },
    Step { name: "features", run: features },
    Step { name: "tests", run: || shell::run(cargo().args(["test", "--workspace", "--all-features"])) },
    Step { name: "fixtures", run: fixtures_agree },
    Step { name: "documentation", run: documentation },
    Step { name: "demo", run: || demo::run(&[]) },
    Step { name: "kernels", run: kernels::if_possible },
];

/// Each library with each choice of features that a user may make; the tests run with all of them.
const FEATURES: &[(&str, &[&str])] = &[
    ("btfgen-core", &["", "packed"]),
    ("btfgen-build", &["", "packed"]),
    ("btfgen-runtime", &["", "include-dir"]),
];

/// `cargo xtask test`; with names of steps, those only.
pub(crate) fn run(args: &[String]) -> Outcome {
    if let Some(unknown) = args.iter().find(|arg| STEPS.iter().all(|step| step.name != arg.as_str())) {
        let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        return Err(format!("no step {unknown:?}; there are {}", names.join(", ")).into());
    }
    let mut times = Vec::new();
    for step in STEPS.iter().filter(|step| args.is_empty() || args.iter().any(|arg| arg == step.name)) {
        eprintln!("\n==> {}", step.name);
        let start = Instant::now();
        (step.run)().map_err(|error| format!("step {} failed: {error}", step.name))?;
        times.push(format!("{} {:.0}s", step.name, start.elapsed().as_secs_f32()));
    }
    eprintln!("\nall passed: {}", times.join(", "));
    Ok(())
}

fn lints() -> Outcome {
    let args = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
    shell::run(cargo().args(args))
}

fn features() -> Outcome {
    for (package, choices) in FEATURES {
        for features in *choices {
            let args =
                ["check", "--quiet", "--package", package, "--no-default-features", "--features", features];
            shell::run(cargo().args(args))?;
        }
    }
    Ok(())
}

/// Compares the committed objects with their sources, where the one compiler is there whose output they are.
fn fixtures_agree() -> Outcome {
    if !(shell::on_path("clang-19") && shell::on_path("llvm-strip-19")) {
        eprintln!("fixtures: left out, there is no clang 19 here");
        return Ok(());
    }
    fixtures::run(&["--check".to_owned()])
}

fn documentation() -> Outcome {
    let mut command: Command = cargo();
    command.args(["doc", "--workspace", "--no-deps", "--all-features"]);
    shell::run(command.env("RUSTDOCFLAGS", "-D warnings"))
}
