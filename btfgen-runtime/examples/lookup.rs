//! Times look-ups in an archive: `lookup <ARCHIVE> <RELEASE> <UNAME -V> <MACHINE>` prints the median in microseconds, and
//! by how many kilobytes the peak memory of the process grew.

use std::error::Error;
use std::time::Instant;

use btfgen_runtime::{Finder, Host, Source};

const ROUNDS: usize = 1001;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, archive, release, version, machine] = args.as_slice() else {
        return Err("usage: lookup <ARCHIVE> <RELEASE> <UNAME -V> <MACHINE>".into());
    };
    let archive = std::fs::read(archive)?;
    let before = peak()?;
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        // Reading this machine's strings is part of the measured time; then they are replaced.
        let host = Host {
            release: release.clone(),
            version: version.clone(),
            machine: machine.clone(),
            proc_version: None,
            ..Host::current()
        };
        let finder = Finder::new().archive(&archive).host(host);
        let btf = finder.skip(Source::Override).skip(Source::Sysfs).skip(Source::KernelFile).find()?;
        if btf.path().is_none() {
            return Err("no path to the BTF".into());
        }
        times.push(start.elapsed());
    }
    times.sort();
    println!("{} {}", times[ROUNDS / 2].as_micros(), peak()? - before);
    Ok(())
}

/// Peak memory of this process, in kilobytes.
fn peak() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
