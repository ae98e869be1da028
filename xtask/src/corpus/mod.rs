//! Corpus: `cargo xtask corpus` collects every kernel on Debian's mirror that has BTF, and a few without, with their facts.

mod download;
mod hub;
mod mirror;
mod tree;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::engine::{ImportError, Kernel, KernelFilter, KernelId, ReadOptions, Source};
use crate::parallel;
use crate::shell::Outcome;
use download::debug_plan;
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
    /// Only kernels whose id matches one of these globs
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// No kernels whose id matches one of these globs
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
}

/// Runs `cargo xtask corpus`.
pub(crate) fn run(options: &Options) -> Outcome {
    let filter = KernelFilter::new(&options.include, &options.exclude, &[])?;
    let started = Instant::now();
    let tally = fill(&agent(), &mirrors()?, &options.tree, &filter)?;
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

/// Reads every kernel that is wanted, on the mirrors and not in the tree.
fn fill(agent: &ureq::Agent, mirrors: &Mirrors, tree: &Path, filter: &KernelFilter) -> Outcome<Tally> {
    let debug_packages = debug_plan(agent, mirrors)?;
    let mut plan = plan(agent, mirrors, &ARCHES)?;
    plan.extend(debug_packages.clone());
    plan.retain(|id, _| filter.wants(id));
    let missing: Vec<_> = plan.iter().filter(|(id, _)| !tree::hub_file(tree, id).exists()).collect();
    eprintln!("{} kernels on the mirrors, {} of them to read", plan.len(), missing.len());
    let count = AtomicUsize::new(0);
    let done = parallel::map(tree::JOBS, &missing, |(id, urls)| {
        let started = Instant::now();
        let done = match debug_packages.contains_key(id) {
            true => add_from_debug_package(agent, tree, id, urls),
            false => add(agent, tree, id, urls),
        };
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

/// Makes one kernel's BTF from the DWARF in its debug package, as `btfgen vendor` does, and adds the kernel to the tree.
fn add_from_debug_package(agent: &ureq::Agent, tree: &Path, id: &KernelId, urls: &[String]) -> Outcome<Done> {
    let Some(package) = download::package_file(agent, urls)? else { return Ok(Done::Gone) };
    let mut kernels = Source::at(package.path())?.kernels(Some(id))?;
    let source = kernels.pop().ok_or("no kernel")?;
    let kernel = source.read(&ReadOptions::default())?.ok_or("not read")?;
    tree::add(tree, &kernel)?;
    Ok(Done::Read { btf: kernel.btf.len(), package: package.as_file().metadata()?.len() })
}

#[cfg(test)]
mod tests;
