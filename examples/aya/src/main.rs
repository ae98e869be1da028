//! Counts the programs that this process executes, with aya.

use std::error::Error;
use std::process::Command;

use aya::maps::Array;
use aya::programs::RawTracePoint;
use aya::{Btf, EbpfLoader, Endianness};

btfgen_runtime::embed!();

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/execs.bpf.o"));

fn main() -> Result<(), Box<dyn Error>> {
    let btf = btfgen_runtime::Finder::embedded().for_object(OBJECT).bytes_only(true).find()?;
    eprint!("{}", btf.explain());

    let btf = match btf.bytes() {
        Some(bytes) => Btf::parse(bytes, Endianness::default())?,
        None => Btf::from_sys_fs()?,
    };
    let parent = i32::try_from(std::process::id())?;
    let mut ebpf = EbpfLoader::new().btf(Some(&btf)).override_global("parent", &parent, true).load(OBJECT)?;
    let program: &mut RawTracePoint =
        ebpf.program_mut("on_exec").ok_or("the object has no on_exec")?.try_into()?;
    program.load()?;
    program.attach("sched_process_exec")?;

    let mut child = Command::new("true").spawn()?;
    let pid = child.id();
    child.wait()?;
    let seen: Array<_, [u32; 2]> = ebpf.map("seen").ok_or("the object has no map seen")?.try_into()?;
    let [execs, last_pid] = seen.get(&0, 0)?;
    println!("executed {execs} program, the last one with pid {last_pid}");
    if (execs, last_pid) == (1, pid) {
        Ok(())
    } else {
        Err(format!("expected one program with pid {pid}").into())
    }
}
