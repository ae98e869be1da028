//! Collect: reads kernels on several threads, in the order of a list, and takes kernels from hub files.

use std::sync::mpsc;
use std::thread;

use btfgen_core::hub::file::{HubBuilder, HubFile, HubFileError};
use btfgen_runtime::KernelId;

use super::error::ImportError;
use super::source::{Kernel, ReadOptions, SourceKernel};

/// Reads kernels on `threads` threads and calls `each` with each result, in the order of the list.
///
/// Each thread waits when it is two kernels ahead, so memory is bounded by two kernels a thread.
///
/// # Errors
/// The first error of `each`, which ends the run. An unreadable kernel does not.
pub fn read_kernels<E>(
    kernels: &[SourceKernel],
    options: &ReadOptions<'_>,
    threads: usize,
    mut each: impl FnMut(&SourceKernel, Result<Option<Kernel>, ImportError>) -> Result<(), E>,
) -> Result<(), E> {
    let threads = threads.max(1);
    thread::scope(|scope| {
        let results: Vec<_> = (0..threads)
            .map(|first| {
                let (sender, receiver) = mpsc::sync_channel(1);
                scope.spawn(move || {
                    for kernel in kernels.iter().skip(first).step_by(threads) {
                        // Nobody receives any more when `each` ended the run.
                        if sender.send(kernel.read(options)).is_err() {
                            return;
                        }
                    }
                });
                receiver
            })
            .collect();
        for (kernel, results) in kernels.iter().zip(results.iter().cycle()) {
            // A thread without a result has panicked; so does the scope when it ends.
            let Ok(result) = results.recv() else { break };
            each(kernel, result)?;
        }
        Ok(())
    })
}

/// Adds to `hub` the kernels of a hub file that `wants` accepts, except those that are different in `hub`; returns why.
///
/// # Errors
/// When the hub file is malformed; nothing is added then.
pub fn add_hub_file(
    hub: &mut HubBuilder,
    file: &HubFile,
    wants: &dyn Fn(&KernelId) -> bool,
) -> Result<Vec<HubFileError>, HubFileError> {
    let mut wanted = HubBuilder::new();
    wanted.add_hub(file)?;
    for kernel in file.kernels().iter().filter(|kernel| !wants(&kernel.id)) {
        wanted.remove(&kernel.id);
    }
    Ok(hub.merge(wanted))
}

#[cfg(test)]
mod tests;
