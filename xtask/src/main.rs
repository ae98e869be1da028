//! Every task of the project, one verb each: `cargo xtask <VERB>`.

mod bench;
mod corpus;
mod demo;
mod files;
mod fixtures;
mod kernels;
mod nearest;
mod oracle;
mod selftests;
mod setup;
mod shell;
mod test;
mod tidy;

use std::process::ExitCode;

use shell::Outcome;

struct Verb {
    name: &'static str,
    run: fn(&[String]) -> Outcome,
    help: &'static str,
}

/// CI runs nothing but these.
const VERBS: &[Verb] = &[
    Verb { name: "setup", run: setup::run, help: "installs what the other verbs need and is missing" },
    Verb { name: "fixtures", run: fixtures::run, help: "rebuilds testdata with clang; --check compares" },
    Verb {
        name: "oracle",
        run: oracle::run,
        help: "libbpf, aya-obj and bpftool judge the fixtures; --bless",
    },
    Verb {
        name: "test",
        run: test::run,
        help: "setup, format, lints, tidy, tests, documentation, demo, kernels",
    },
    Verb { name: "demo", run: demo::run, help: "execwatch on this kernel with the kernel's BTF hidden" },
    Verb {
        name: "kernels",
        run: kernels::run,
        help: "execwatch on Debian's kernels, booted under QEMU with their BTF hidden; --ci: on three",
    },
    Verb {
        name: "bench",
        run: bench::run,
        help: "btfgen against bpftool, as whole processes, in one run; --only <PART>",
    },
    Verb {
        name: "nearest",
        run: nearest::run,
        help: "leaves each vendored kernel out: is the nearest match right?",
    },
    Verb {
        name: "corpus",
        run: corpus::run,
        help: "reads the BTF of every kernel that Debian's mirror offers",
    },
    Verb {
        name: "selftests",
        run: selftests::run,
        help: "the kernel's own CO-RE cases, from linux-source-*",
    },
    Verb { name: "tidy", run: tidy::run, help: "checks file headers, file lengths and stray paths" },
];

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let name = args.next();
    let Some(verb) = name.as_deref().and_then(|name| VERBS.iter().find(|verb| verb.name == name)) else {
        eprint!("{}", usage());
        return ExitCode::from(2);
    };
    match (verb.run)(&args.collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {}: {error}", verb.name);
            ExitCode::FAILURE
        }
    }
}

fn usage() -> String {
    let mut text = "Usage: cargo xtask <VERB>\n\n".to_owned();
    for verb in VERBS {
        text += &format!("  {:<9}  {}\n", verb.name, verb.help);
    }
    text
}
