//! Corpus: `cargo xtask corpus` collects every kernel on Debian's mirror, its BTF and its facts.

mod download;
mod hub;
mod mirror;
mod tree;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::engine::{ImportError, Kernel, KernelFilter, KernelId};
use crate::parallel;
use crate::shell::Outcome;
pub(crate) use download::{Plan, agent, kernel, mirrors, package, plan};
use mirror::{ARCHES, Mirrors};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Hub tree to fill with a .btf.zst and a .hub of each kernel; kernels that it has are kept
    #[arg(long, value_name = "FOLDER")]
    tree: PathBuf,
    /// Hub file to merge the tree's kernels into
    #[arg(long, value_name = "FILE")]
    hub: Option<PathBuf>,
    /// Only kernels whose id matches one of these globs go into the hub file
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Kernels whose id matches one of these globs do not go into the hub file
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
}

/// Runs `cargo xtask corpus`.
pub(crate) fn run(options: &Options) -> Outcome {
    let filter = KernelFilter::new(&options.include, &options.exclude, &[])?;
    let started = Instant::now();
    let tally = fill(&agent(), &mirrors()?, &options.tree)?;
    let seconds = started.elapsed().as_secs_f64();
    let Tally { offered, kept, read, without_btf, gone, failed } = tally;
    eprintln!(
        "{offered} kernels on the mirrors: {read} read now, {kept} before, {without_btf} without BTF, {gone} gone from the \
         mirror, {failed} failed, in {seconds:.0} s"
    );
    if let Some(file) = &options.hub {
        hub::pack(&options.tree, &filter, file)?;
    }
    if failed == 0 { Ok(()) } else { Err(format!("{failed} packages could not be read").into()) }
}

/// What happened to the kernels on the mirrors.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    offered: usize,
    /// In the tree before.
    kept: usize,
    read: usize,
    without_btf: usize,
    /// In an index, but deleted.
    gone: usize,
    failed: usize,
}

enum Done {
    /// Numbers of bytes.
    Read {
        btf: usize,
        package: u64,
    },
    WithoutBtf,
    Gone,
}

/// Reads every kernel that is on the mirrors and not in the tree.
fn fill(agent: &ureq::Agent, mirrors: &Mirrors, tree: &Path) -> Outcome<Tally> {
    let plan = plan(agent, mirrors, &ARCHES)?;
    let missing: Vec<_> = plan.iter().filter(|(id, _)| !tree::hub_file(tree, id).exists()).collect();
    eprintln!("{} kernels on the mirrors, {} of them to read", plan.len(), missing.len());
    let count = AtomicUsize::new(0);
    let done = parallel::map(tree::JOBS, &missing, |(id, urls)| {
        let started = Instant::now();
        let done = add(agent, tree, id, urls);
        let message = match &done {
            Ok(Done::Read { btf, package }) => {
                let (btf, package) = (*btf as f64 / 1e6, *package as f64 / 1e6);
                let seconds = started.elapsed().as_secs_f64();
                format!("{btf:.1} MB of BTF from {package:.1} MB in {seconds:.1} s")
            }
            Ok(Done::WithoutBtf) => "built without BTF".to_owned(),
            Ok(Done::Gone) => "in the index, but gone from the mirror".to_owned(),
            Err(error) => error.to_string(),
        };
        eprintln!("[{}/{}] {id}: {message}", count.fetch_add(1, Ordering::Relaxed) + 1, missing.len());
        done
    })?;
    let number = |is: fn(&Outcome<Done>) -> bool| done.iter().filter(|done| is(done)).count();
    Ok(Tally {
        offered: plan.len(),
        kept: plan.len() - missing.len(),
        read: number(|done| matches!(done, Ok(Done::Read { .. }))),
        without_btf: number(|done| matches!(done, Ok(Done::WithoutBtf))),
        gone: number(|done| matches!(done, Ok(Done::Gone))),
        failed: number(Result::is_err),
    })
}

/// Reads one kernel's package up to its image and adds the kernel to the tree.
fn add(agent: &ureq::Agent, tree: &Path, id: &KernelId, urls: &[String]) -> Outcome<Done> {
    let Some((packaged, package)) = kernel(agent, id, urls)? else { return Ok(Done::Gone) };
    let kernel = match Kernel::from_package(id.clone(), &packaged) {
        Err(ImportError::NoBtf { .. }) => return Ok(Done::WithoutBtf),
        answer => answer?,
    };
    tree::add(tree, &kernel)?;
    Ok(Done::Read { btf: kernel.btf.len(), package })
}

#[cfg(test)]
mod tests;
