//! Examples: the small programs below `examples/`, with the kernel's BTF hidden. Each checks what its eBPF programs saw.

use std::path::Path;

use super::hidden_btf;
use super::print::indented;
use crate::engine::HUB_VARIABLE;
use crate::shell::{self, Outcome, cargo};

const PACKAGES: [&str; 3] = ["example-skeleton", "example-aya", "example-agent"];

pub(super) fn show(hub: &Path) -> Outcome {
    for package in PACKAGES {
        let built = shell::build(cargo().env(HUB_VARIABLE, hub).args(["build", "--package", package]))?;
        println!("$ {package}");
        let output = shell::read(&mut hidden_btf::command(built.executable()?, [] as [&str; 0]))?;
        print!("{}", indented(&output));
    }
    Ok(())
}
