//! Outside: a program outside of the workspace, built from the packages as crates.io would have them.

use std::fs;
use std::path::Path;

use crate::files;
use crate::shell::{self, Outcome, cargo};

/// The published packages; the version is the workspace's.
const PUBLISHED: [&str; 4] = ["btfgen", "btfgen-build", "btfgen-core", "btfgen-runtime"];

pub(super) fn run() -> Outcome {
    let folder = shell::root().join("target/packages");
    let mut package = cargo();
    package.args(["package", "--allow-dirty"]).args(PUBLISHED.iter().flat_map(|name| ["--package", name]));
    // Verification builds each package from its own files. All builds share their dependencies.
    shell::run(package.env("CARGO_TARGET_DIR", &folder))?;

    let program = folder.join("program");
    files::empty_folder(&program)?;
    write_program(&program, &folder.join("package"))?;
    let mut build = cargo();
    build.current_dir(&program).arg("build").env("CARGO_TARGET_DIR", &folder);
    let built = shell::build(&mut build)?;
    println!("built a program from the packages: {}", built.executable()?.display());
    Ok(())
}

/// The example for aya with a manifest that knows only the packages.
fn write_program(program: &Path, packages: &Path) -> Outcome {
    let example = shell::root().join("examples/aya");
    fs::create_dir_all(program.join("src/bpf"))?;
    for file in ["build.rs", "src/main.rs", "src/bpf/execs.bpf.c"] {
        fs::copy(example.join(file), program.join(file))?;
    }
    fs::copy(files::example_hub(), program.join("kernels.hub"))?;
    fs::write(program.join("btfgen.toml"), "objects = [\"$OUT_DIR/*.bpf.o\"]\nhub = \"kernels.hub\"\n")?;
    let version = env!("CARGO_PKG_VERSION");
    let mut manifest = format!(
        "[package]\nname = \"program\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [build-dependencies]\nbtfgen-build = \"{version}\"\n\n\
         [dependencies]\naya = \"0.14\"\nbtfgen-runtime = \"{version}\"\n\n\
         [workspace]\n\n[patch.crates-io]\n"
    );
    for name in PUBLISHED.iter().filter(|name| **name != "btfgen") {
        let path = packages.join(format!("{name}-{version}"));
        manifest += &format!("{name} = {{ path = {:?} }}\n", path.display().to_string());
    }
    fs::write(program.join("Cargo.toml"), manifest)?;
    Ok(())
}
