//! Demo: execwatch on this kernel, with the kernel's BTF hidden.

mod container;
mod examples;
mod hidden_btf;
mod hosts;
mod print;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::engine::{HUB_VARIABLE, HubBuilder, HubFile, KernelId, KernelSource};
use crate::shell::{self, Outcome, cargo};
use crate::{files, setup};
pub(crate) use container::ALPINE_OS_RELEASE;
use hidden_btf::KERNEL_BTF;
pub(crate) use hidden_btf::obstacle as obstacle_to_hiding;
use print::{heading, indented};

/// Compression level of a hub file that is read once.
const HUB_LEVEL: i32 = 3;

/// Runs `cargo xtask demo`.
pub(crate) fn run() -> Outcome {
    setup::check_build()?;
    let scratch = shell::root().join("target/demo");
    files::empty_folder(&scratch)?;

    heading("1. Build execwatch with this kernel's BTF among the vendored ones");
    let hub = scratch.join("kernels.hub");
    let (kernels, kernel) = add_running_kernel(&files::example_hub(), &hub)?;
    println!("hub: {kernels} vendored kernels and {kernel}, {} bytes", fs::metadata(&hub)?.len());
    let built = shell::build(cargo().env(HUB_VARIABLE, &hub).args(["build", "--package", "example-app"]))?;
    let execwatch = built.executable()?;
    let embedded = fs::metadata(built.generated("btfgen.archive")?)?.len();
    println!("embedded: {embedded} bytes for all kernels");

    match hidden_btf::obstacle() {
        None => {
            with_btf_hidden(execwatch, &scratch)?;
            heading("5. Its events agree with /proc and wait(2)");
            tests_with_btf_hidden(&hub)?;
            heading("6. The small examples: a skeleton, aya, and two libraries in one program");
            examples::show(&hub)?;
        }
        Some(obstacle) => {
            heading("2. Loading is not possible here");
            println!("{obstacle}; the rest needs neither root nor bpf(2)");
        }
    }

    heading("7. Selection on other hosts");
    hosts::show()
}

fn with_btf_hidden(execwatch: &Path, scratch: &Path) -> Outcome {
    heading("2. Hide the kernel's BTF: libbpf alone cannot load the programs");
    let args = ["--plain", "--once", "1", "--timeout", "10"];
    println!("$ execwatch {}", args.join(" "));
    let output = hidden_btf::command(execwatch, args).output()?;
    print!("{}", indented(&String::from_utf8_lossy(&output.stderr)));
    if output.status.success() {
        return Err(
            format!("the programs loaded: libbpf finds this kernel's BTF outside {KERNEL_BTF}").into()
        );
    }

    heading("3. The BTF that execwatch chooses, and why");
    let args = ["--explain"];
    println!("$ execwatch {}", args.join(" "));
    let outside = shell::read(&mut hidden_btf::command(execwatch, args))?;
    print!("{}", indented(&outside));
    println!("the same in a container with Alpine's os-release:");
    container::show(execwatch, &scratch.join("container"), &outside)?;

    heading("4. The same programs on the embedded BTF, loaded by libbpf and by aya");
    for loader in ["libbpf", "aya"] {
        watch(execwatch, loader)?;
    }
    Ok(())
}

/// Runs execwatch with BTF hidden while this process starts a few programs, and prints its events.
fn watch(execwatch: &Path, loader: &str) -> Outcome {
    let own_pid = std::process::id().to_string();
    let args = ["--loader", loader, "--once", "6", "--timeout", "30", "--parent", &own_pid];
    println!("$ execwatch {}", args.join(" "));
    let mut watcher =
        hidden_btf::command(execwatch, args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut said = String::new();
    if let Some(stderr) = watcher.stderr.take() {
        let mut stderr = BufReader::new(stderr);
        while !said.ends_with("watching\n") && stderr.read_line(&mut said)? != 0 {}
    }
    print!("{}", indented(&said));
    for words in [&["uname", "-r"][..], &["true", "two words"], &["sh", "-c", "exit 7"]] {
        Command::new(words[0]).args(&words[1..]).stdout(Stdio::null()).status()?;
    }
    let output = watcher.wait_with_output()?;
    print!("{}", indented(&String::from_utf8_lossy(&output.stdout)));
    println!();
    if output.status.success() { Ok(()) } else { Err(format!("execwatch: {}", output.status).into()) }
}

/// Runs the example's tests, which compare events with /proc and wait(2), with BTF hidden.
fn tests_with_btf_hidden(hub: &Path) -> Outcome {
    let mut command = cargo();
    command.env(HUB_VARIABLE, hub).args(["test", "--package", "example-app", "--test", "trace", "--no-run"]);
    shell::run(&mut hidden_btf::command(shell::build(&mut command)?.executable()?, ["--nocapture"]))
}

/// Writes a copy of a hub file with the running kernel's BTF added, under the id that is looked up on this host.
fn add_running_kernel(vendored: &Path, to: &Path) -> Outcome<(usize, KernelId)> {
    let host = btfgen_runtime::Host::current();
    let id = host.kernel_id().ok_or("the distribution of this kernel is unknown, so it has no kernel id")?;
    let mut hub = HubBuilder::new();
    hub.add_hub(&HubFile::open(fs::read(vendored)?)?)?;
    let kernels = hub.len();
    // On a Debian host the kernel may be among the vendored ones; its own BTF replaces that.
    hub.remove(&id);
    let btf = fs::read(KERNEL_BTF)?;
    hub.add_btf(&KernelSource { build_id: host.build_id, ..KernelSource::new(&id, "this host", &btf) })?;
    fs::write(to, hub.finish(HUB_LEVEL)?)?;
    Ok((kernels, id))
}
