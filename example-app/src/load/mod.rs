//! Loads and attaches the object with libbpf or aya, and reads its perf buffer.

mod aya;
mod libbpf;

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use crate::options::Loader;

/// The compiled `execwatch.bpf.c`, aligned as aya requires; loaders and `Finder::for_object` use this one copy.
pub(crate) static OBJECT: &[u8] = ::aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/execwatch.bpf.o"));

/// The object's programs and the raw tracepoints that they attach to.
const PROGRAMS: [(&str, &str); 2] = [("on_exec", "sched_process_exec"), ("on_exit", "sched_process_exit")];

/// The perf event array in the object.
const EVENTS: &str = "events";

/// The kernel BTF to relocate against.
pub(crate) enum KernelBtf<'a> {
    /// The kernel's own, which the loader finds.
    FoundByLoader,
    /// A selected one: a file for libbpf, its bytes for aya.
    Selected { path: &'a Path, bytes: &'a [u8] },
}

/// Receives what the programs send.
pub(crate) trait Sink {
    /// Is called once the programs are attached.
    fn ready(&mut self) -> ControlFlow<()>;
    /// Receives the bytes of one event.
    fn sample(&mut self, bytes: &[u8]) -> ControlFlow<()>;
    /// Is called if the kernel dropped events because they were read too slowly.
    fn lost(&mut self, count: u64);
}

/// Loads and attaches the programs, and passes events to `sink` until it breaks or the deadline has passed.
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

fn has_passed(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() >= deadline)
}
