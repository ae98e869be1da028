//! `btfgen pack`: the minimized BTFs of all kernels of a hub, into an archive.

use anyhow::Result;
use btfgen_core::files;
use btfgen_core::pipeline::{self, BuildIds, OnFailure, Packed, Request};
use btfgen_core::report::Document;

use crate::args::{self, Job};
use crate::output::{print, print_json, progress_bar};

pub(crate) fn pack(args: &args::Pack) -> Result<()> {
    let on_failure = match args.on_failure {
        args::OnFailure::Keep => OnFailure::Keep,
        args::OnFailure::Drop => OnFailure::Drop,
    };
    let build_ids = match args.build_ids {
        args::BuildIds::Needed => BuildIds::Needed,
        args::BuildIds::All => BuildIds::All,
    };
    let mut packed = run(&Request { on_failure, build_ids, ..request(&args.job)? })?;
    let bytes = packed.archive(args.level.level)?;
    files::write_if_changed(&args.output, &bytes)?;
    packed.report.archive_bytes = bytes.len();
    let warnings = packed.report.warnings().into_iter();
    eprint!("{}", warnings.map(|warning| format!("warning: {warning}\n")).collect::<String>());
    match args.json {
        true => print_json(&Document::from(&packed.report)),
        false => print(&format!("{}\n", packed.report)),
    }
}

/// The inputs of a run that objects, hub and kernels give.
pub(crate) fn request(job: &Job) -> Result<Request> {
    let (objects, hub, filter) = (job.objects.clone(), job.hub.clone(), job.kernels.filter()?);
    Ok(Request { objects, hub, filter, ..Request::default() })
}

/// Runs the pipeline, with a progress bar.
pub(crate) fn run(request: &Request) -> Result<Packed> {
    let bar = progress_bar("minimizing");
    let progress = |done: usize, of: usize| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    };
    let packed = pipeline::run(request, &progress);
    bar.finish_and_clear();
    Ok(packed?)
}
