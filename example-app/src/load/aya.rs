//! Loads with aya.

use std::error::Error;
use std::ops::ControlFlow;
use std::time::Instant;

use aya::maps::perf::{PerfEvent, PerfEventArray};
use aya::programs::RawTracePoint;
use aya::util::online_cpus;
use aya::{Btf, EbpfLoader, Endianness};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit};

use super::{EVENTS, KernelBtf, OBJECT, PROGRAMS, Sink, has_passed};

pub(super) fn run(
    btf: &KernelBtf<'_>,
    deadline: Option<Instant>,
    sink: &mut dyn Sink,
) -> Result<(), Box<dyn Error>> {
    // Kernels before 5.11 count maps against this limit. As in libbpf, failing to raise it is not an error: newer kernels
    // do not need it, and on older ones creating a map fails.
    let _ = setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None });

    let btf = match btf {
        // If aya finds no BTF, it loads the object without relocating it; here, that must be an error.
        KernelBtf::FoundByLoader => Btf::from_sys_fs()?,
        KernelBtf::Selected { bytes, .. } => Btf::parse(bytes, Endianness::default())?,
    };
    let mut object = EbpfLoader::new()
        .btf(Some(&btf))
        .load(OBJECT)
        .map_err(|error| format!("aya could not load the programs: {}", crate::chain(&error)))?;
    for (name, tracepoint) in PROGRAMS {
        let program: &mut RawTracePoint = object
            .program_mut(name)
            .ok_or_else(|| format!("the object has no program {name}"))?
            .try_into()?;
        program.load()?;
        program.attach(tracepoint)?;
    }

    let map = object.map_mut(EVENTS).ok_or_else(|| format!("the object has no map {EVENTS}"))?;
    let mut events = PerfEventArray::try_from(map)?;
    let cpus = online_cpus().map_err(|(path, error)| format!("{path}: {error}"))?;
    let mut buffers = cpus.into_iter().map(|cpu| events.open(cpu, None)).collect::<Result<Vec<_>, _>>()?;
    if sink.ready().is_break() {
        return Ok(());
    }
    let pause = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    while !has_passed(deadline) {
        let mut fds: Vec<_> = buffers.iter().map(|buffer| PollFd::new(buffer, PollFlags::IN)).collect();
        match poll(&mut fds, Some(&pause)) {
            Err(error) if error != Errno::INTR => return Err(error.into()),
            _ => {}
        }
        for buffer in &mut buffers {
            let drained = buffer.try_fold((), |(), record| match record {
                // An event that wraps around the end of the buffer is in two parts.
                PerfEvent::Sample { head, tail: [] } => sink.sample(head),
                PerfEvent::Sample { head, tail } => sink.sample(&[head, tail].concat()),
                PerfEvent::Lost { count } => {
                    sink.lost(count);
                    ControlFlow::Continue(())
                }
            });
            if drained.is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}
