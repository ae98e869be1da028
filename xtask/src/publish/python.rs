//! Python: programs from PyPI, each in an environment of its own below `target/python`.

use std::path::PathBuf;
use std::process::Command;

use crate::shell::{self, Outcome};

/// Whether Python can make environments: Debian has that in a package of its own.
pub(crate) fn can_make_environments() -> bool {
    shell::works("python3", &["-c", "import ensurepip, venv"])
}

/// A program of a package, such as `name==1.2`; installs the package if it is not there yet.
pub(super) fn program(package: &str, program: &str) -> Outcome<PathBuf> {
    let folder = shell::root().join("target/python").join(package);
    let path = folder.join("bin").join(program);
    // pip writes a package's programs last.
    if !path.exists() {
        shell::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let pip = ["install", "--quiet", "--disable-pip-version-check", package];
        shell::run(Command::new(folder.join("bin/pip")).args(pip))?;
    }
    Ok(path)
}
