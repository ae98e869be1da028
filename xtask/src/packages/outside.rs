//! Outside: a program outside of the workspace, built from the packages as crates.io would have them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::files;
use crate::shell::{self, Outcome, cargo};

/// The published packages.
const PUBLISHED: [&str; 4] = ["btfgen", "btfgen-build", "btfgen-core", "btfgen-runtime"];
/// Their version, which is the workspace's.
const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) fn run() -> Outcome {
    let folder = shell::root().join("target/packages");
    let program = folder.join("program");
    files::empty_folder(&program)?;
    let mut package = cargo();
    // Cargo's own verification keeps what it unpacked of an earlier package of the same version, and builds that.
    package.args(["package", "--no-verify", "--allow-dirty"]);
    package.args(PUBLISHED.iter().flat_map(|name| ["--package", name]));
    shell::run(package.env("CARGO_TARGET_DIR", &folder))?;

    fs::create_dir(program.join("packages"))?;
    for name in PUBLISHED {
        let file = folder.join(format!("package/{name}-{VERSION}.crate"));
        shell::run(Command::new("tar").arg("-xzf").arg(file).arg("-C").arg(program.join("packages")))?;
    }
    write_program(&program)?;
    let mut build = cargo();
    build.current_dir(&program).args(["build", "--workspace"]).env("CARGO_TARGET_DIR", &folder);
    let built = shell::build(&mut build)?;
    let (command, program) = (built.named("btfgen")?, built.named("program")?);
    println!("built from the packages: {} and {}", command.display(), program.display());
    Ok(())
}

/// The example for aya with a manifest that knows only the packages, which are members of its workspace so that all of each is built.
fn write_program(program: &Path) -> Outcome {
    let example = shell::root().join("examples/aya");
    fs::create_dir_all(program.join("src/bpf"))?;
    for file in ["build.rs", "src/main.rs", "src/bpf/execs.bpf.c"] {
        fs::copy(example.join(file), program.join(file))?;
    }
    fs::copy(files::example_hub(), program.join("kernels.hub"))?;
    fs::write(program.join("btfgen.toml"), "objects = [\"$OUT_DIR/*.bpf.o\"]\nhub = \"kernels.hub\"\n")?;
    let mut manifest = format!(
        "[package]\nname = \"program\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [build-dependencies]\nbtfgen-build = \"{VERSION}\"\n\n\
         [dependencies]\naya = \"0.14\"\nbtfgen-runtime = \"{VERSION}\"\n\n\
         [workspace]\nmembers = [\"packages/*\"]\n\n[patch.crates-io]\n"
    );
    for name in PUBLISHED {
        manifest += &format!("{name} = {{ path = \"packages/{name}-{VERSION}\" }}\n");
    }
    fs::write(program.join("Cargo.toml"), manifest)?;
    Ok(())
}
