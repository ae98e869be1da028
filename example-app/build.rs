//! Compiles the eBPF program.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::{env, io};

fn main() -> Result<(), Box<dyn Error>> {
    let source = "src/bpf/execwatch.bpf.c";
    let out_dir = env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    // libbpf's headers, from libbpf-sys.
    let include = env::var_os("DEP_BPF_INCLUDE").ok_or("DEP_BPF_INCLUDE is not set")?;
    let status = Command::new("clang")
        .args(["-g", "-O2", "-Wall", "-Wextra", "-Werror", "-target", "bpf", "-I"])
        .arg(include)
        .args(["-c", source, "-o"])
        .arg(Path::new(&out_dir).join("execwatch.bpf.o"))
        .status()
        .map_err(|error| io::Error::new(error.kind(), format!("clang: {error}")))?;
    println!("cargo::rerun-if-changed=src/bpf");
    if status.success() { Ok(()) } else { Err(format!("clang on {source}: {status}").into()) }
}
