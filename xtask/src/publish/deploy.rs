//! Deploy: files for Kubernetes and GitHub, validated against their schemas.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::python;
use crate::shell::{self, Outcome};

/// Has the schemas of Kubernetes' API.
const KUBERNETES: &str = "kubernetes-validate==1.37.0";
/// Has the schemas of GitHub's files.
const GITHUB: &str = "check-jsonschema==0.39.0";

/// Files or folders for GitHub, and the schema of each.
const GITHUB_FILES: [(&str, &str); 4] = [
    (".github/workflows", "vendor.github-workflows"),
    (".github/ISSUE_TEMPLATE/bug.yml", "vendor.github-issue-forms"),
    (".github/ISSUE_TEMPLATE/config.yml", "vendor.github-issue-config"),
    ("action.yml", "vendor.github-actions"),
];

struct Validators {
    kubernetes: PathBuf,
    github: PathBuf,
}

/// Runs `cargo xtask deploy`.
pub(crate) fn run() -> Outcome {
    validate(&Validators::install()?)
}

/// The step of `cargo xtask test`, which is skipped if the validators cannot be installed here.
pub(crate) fn check_if_possible() -> Outcome {
    match Validators::install() {
        Ok(validators) => validate(&validators),
        Err(error) => {
            eprintln!("deploy: skipped: no validators: {error}");
            Ok(())
        }
    }
}

impl Validators {
    fn install() -> Outcome<Self> {
        let kubernetes = python::program(KUBERNETES, "kubernetes-validate")?;
        Ok(Self { kubernetes, github: python::program(GITHUB, "check-jsonschema")? })
    }
}

fn validate(validators: &Validators) -> Outcome {
    let mut kubernetes = Command::new(&validators.kubernetes);
    kubernetes.current_dir(shell::root()).arg("--strict");
    shell::run(kubernetes.args(yaml_files("deploy/kubernetes")?))?;
    for (path, schema) in GITHUB_FILES {
        let mut github = Command::new(&validators.github);
        github.current_dir(shell::root()).args(["--builtin-schema", schema]);
        shell::run(github.args(yaml_files(path)?))?;
    }
    Ok(())
}

/// The file, or the YAML files of a folder, relative to the workspace's root, sorted.
fn yaml_files(path: &str) -> Outcome<Vec<PathBuf>> {
    let folder = shell::root().join(path);
    if folder.is_file() {
        return Ok(vec![path.into()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).map_err(|error| format!("{path}: {error}"))? {
        let file = Path::new(path).join(entry?.file_name());
        if file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() { Err(format!("{path} has no YAML file").into()) } else { Ok(files) }
}
