//! Counts the programs that this process executes, with a skeleton of libbpf-cargo.

mod skeleton {
    include!(concat!(env!("OUT_DIR"), "/execs.skel.rs"));
}

use std::error::Error;
use std::mem::MaybeUninit;
use std::process::Command;

use libbpf_rs::skel::{OpenSkel, Skel, SkelBuilder};
use skeleton::ExecsSkelBuilder;

btfgen_runtime::embed!();

fn main() -> Result<(), Box<dyn Error>> {
    let btf = btfgen_runtime::btf_for_host()?;
    eprint!("{}", btf.explain());

    let mut builder = ExecsSkelBuilder::default();
    // None: the kernel has its own BTF, and libbpf finds it.
    if let Some(path) = btf.into_static() {
        builder.object_builder_mut().btf_custom_path(path)?;
    }
    let mut object = MaybeUninit::uninit();
    let mut open = builder.open(&mut object)?;
    open.maps.rodata_data.as_mut().ok_or("the object has no .rodata")?.parent =
        i32::try_from(std::process::id())?;
    let mut skel = open.load()?;
    skel.attach()?;

    let mut child = Command::new("true").spawn()?;
    let pid = i32::try_from(child.id())?;
    child.wait()?;
    let seen = skel.maps.bss_data.as_ref().ok_or("the object has no .bss")?;
    println!("executed {} program, the last one with pid {}", seen.execs, seen.last_pid);
    if (seen.execs, seen.last_pid) == (1, pid) {
        Ok(())
    } else {
        Err(format!("expected one program with pid {pid}").into())
    }
}
