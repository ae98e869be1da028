//! Compiles the eBPF program, generates its skeleton, and embeds the BTF that it needs on each kernel of the hub.

use std::env;
use std::error::Error;
use std::path::PathBuf;

use libbpf_cargo::SkeletonBuilder;

const SOURCE: &str = "src/bpf/execs.bpf.c";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={SOURCE}");
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    SkeletonBuilder::new()
        .source(SOURCE)
        // Otherwise the object is in a temporary folder that is gone when generate() looks for it.
        .obj(out_dir.join("execs.bpf.o"))
        // The skeleton includes this file, instead of a list of its bytes.
        .reference_obj(true)
        .build_and_generate(out_dir.join("execs.skel.rs"))?;
    // After the skeleton: so the archive is always the one of the skeleton's object.
    btfgen_build::generate().unwrap_or_else(|error| error.exit());
    Ok(())
}
