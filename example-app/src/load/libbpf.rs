//! Loads with libbpf, through libbpf-rs.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::error::Error;
use std::time::{Duration, Instant};

use libbpf_rs::{Link, MapCore, ObjectBuilder, PerfBufferBuilder};

use super::{EVENTS, KernelBtf, OBJECT, PROGRAMS, Sink, has_passed};

enum Record {
    Sample(Vec<u8>),
    Lost(u64),
}

pub(super) fn run(
    btf: &KernelBtf<'_>,
    deadline: Option<Instant>,
    sink: &mut dyn Sink,
) -> Result<(), Box<dyn Error>> {
    let mut builder = ObjectBuilder::default();
    if let KernelBtf::Selected { path, .. } = btf {
        builder.btf_custom_path(path)?;
    }
    let object = builder.name("execwatch")?.open_memory(OBJECT)?;
    let object = object.load().map_err(|error| format!("libbpf could not load the programs: {error}"))?;
    let mut links: Vec<Link> = Vec::new();
    for (name, tracepoint) in PROGRAMS {
        let program = object
            .progs_mut()
            .find(|program| program.name() == name)
            .ok_or_else(|| format!("the object has no program {name}"))?;
        links.push(program.attach_raw_tracepoint(tracepoint)?);
    }

    let events = object
        .maps()
        .find(|map| map.name() == EVENTS)
        .ok_or_else(|| format!("the object has no map {EVENTS}"))?;
    let records = RefCell::new(VecDeque::new());
    let buffer = PerfBufferBuilder::new(&events)
        .sample_cb(|_cpu, bytes: &[u8]| records.borrow_mut().push_back(Record::Sample(bytes.to_vec())))
        .lost_cb(|_cpu, count| records.borrow_mut().push_back(Record::Lost(count)))
        .build()?;
    if sink.ready().is_break() {
        return Ok(());
    }
    while !has_passed(deadline) {
        match buffer.poll(Duration::from_millis(100)) {
            Err(error) if error.kind() != libbpf_rs::ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for record in records.borrow_mut().drain(..) {
            match record {
                Record::Sample(bytes) => {
                    if sink.sample(&bytes).is_break() {
                        return Ok(());
                    }
                }
                Record::Lost(count) => sink.lost(count),
            }
        }
    }
    Ok(())
}
