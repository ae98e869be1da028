//! Loaders: two libraries that relocate, load and attach the same object, and read its perf buffer.

mod aya;
mod libbpf;

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use crate::options::Loader;

/// The compiled `execwatch.bpf.c`, aligned as aya reads it.
pub(crate) static OBJECT: &[u8] = ::aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/execwatch.bpf.o"));

/// Program and raw tracepoint of each program in the object.
const PROGRAMS: [(&str, &str); 2] = [("on_exec", "sched_process_exec"), ("on_exit", "sched_process_exit")];

/// The perf event array in the object.
const EVENTS: &str = "events";

/// The kernel BTF to relocate against.
pub(crate) enum KernelBtf<'a> {
    /// What the loader finds by itself.
    LoadersOwn,
    /// A file, for libbpf, and what it holds, for aya.
    Given { path: &'a Path, bytes: &'a [u8] },
}

/// What the caller does with what comes in.
pub(crate) trait Sink {
    /// The programs are attached.
    fn ready(&mut self) -> ControlFlow<()>;
    /// One event, in the bytes that the program sent.
    fn sample(&mut self, bytes: &[u8]) -> ControlFlow<()>;
    /// The kernel dropped this many events because they were read too slowly.
    fn lost(&mut self, count: u64);
}

/// Loads and attaches the programs and feeds `sink` until it breaks or `deadline` has passed.
pub(crate) fn run(
    loader: Loader,
    btf: &KernelBtf<'_>,
    deadline: Option<Instant>,
    sink: &mut dyn Sink,
) -> Result<(), Box<dyn Error>> {
    match loader {
        Loader::Libbpf => libbpf::run(btf, deadline, sink),
        Loader::Aya => aya::run(btf, deadline, sink),
    }
}

fn passed(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() >= deadline)
}
