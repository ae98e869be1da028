//! Minimal versions: whether the libraries build with the oldest dependencies that their manifests allow.

use std::fs;
use std::process::Command;

use toml::{Table, Value};

use crate::files;
use crate::shell::{self, Outcome, cargo};

/// What users build into their programs. The command is installed with its lock file.
const LIBRARIES: [&str; 3] = ["btfgen-build", "btfgen-core", "btfgen-runtime"];

/// Runs `cargo xtask minimal-versions`.
pub(crate) fn run() -> Outcome {
    let folder = shell::root().join("target/minimal-versions/workspace");
    files::empty_folder(&folder)?;
    for library in LIBRARIES {
        shell::run(Command::new("cp").arg("--recursive").arg(shell::root().join(library)).arg(&folder))?;
    }
    let manifest = fs::read_to_string(shell::root().join("Cargo.toml"))?;
    fs::write(folder.join("Cargo.toml"), workspace_of_libraries(&manifest)?)?;

    // Cargo has this option only on nightly, or if it is told to take it.
    let mut update = cargo();
    update.current_dir(&folder).env("RUSTC_BOOTSTRAP", "1");
    shell::run(update.args(["-Z", "direct-minimal-versions", "update"]))?;
    for features in ["--no-default-features", "--all-features"] {
        let mut check = cargo();
        check.current_dir(&folder).env("CARGO_TARGET_DIR", folder.with_file_name("build"));
        shell::run(check.args(["check", "--workspace", "--lib", "--locked", features]))?;
    }
    Ok(())
}

/// The manifest of the workspace with the libraries as its only members.
fn workspace_of_libraries(manifest: &str) -> Outcome<String> {
    let mut manifest: Table = manifest.parse()?;
    let workspace = manifest.get_mut("workspace").and_then(Value::as_table_mut).ok_or("no [workspace]")?;
    workspace.insert("members".to_owned(), LIBRARIES.map(Value::from).to_vec().into());
    workspace.remove("default-members");
    workspace.remove("exclude");
    let dependencies = workspace.get_mut("dependencies").and_then(Value::as_table_mut);
    dependencies.ok_or("no [workspace.dependencies]")?.retain(|name, _| LIBRARIES.contains(&name));
    Ok(manifest.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_libraries() {
        let manifest = fs::read_to_string(shell::root().join("Cargo.toml")).unwrap();
        let manifest: Table = workspace_of_libraries(&manifest).unwrap().parse().unwrap();
        assert_eq!(manifest["workspace"]["members"].as_array().unwrap().len(), LIBRARIES.len());
        assert_eq!(manifest["workspace"]["dependencies"].as_table().unwrap().len(), LIBRARIES.len());
    }
}
