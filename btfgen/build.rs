//! Sets the version that the command prints: the package's, and the commit if it is built from a checkout.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let mut version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    // A published package is not in the repository of btfgen, but may be unpacked inside of another one.
    if Path::new("../.git/HEAD").exists() {
        println!("cargo:rerun-if-changed=../.git/HEAD");
        println!("cargo:rerun-if-changed=../.git/logs/HEAD");
        let commit = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
        if let Ok(output) = commit
            && output.status.success()
        {
            version = format!("{version} ({})", String::from_utf8_lossy(&output.stdout).trim());
        }
    }
    println!("cargo:rustc-env=BTFGEN_VERSION={version}");
}
