//! `btfgen pack`: the minimized BTFs of all kernels of a hub, into an archive.

use anyhow::Result;
use btfgen_core::files;
use btfgen_core::pipeline::{self, BuildIds, OnFailure, Options, Packed, Request};
use btfgen_core::report::Document;

use crate::args::{self, Job};
use crate::output::{print, print_json, progress_bar};

pub(crate) fn pack(args: &args::Pack) -> Result<()> {
    let mut request = request(&args.job)?;
    request.options.on_failure = args.on_failure.into();
    request.options.build_ids = args.build_ids.into();
    let mut packed = run(&request)?;
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

impl From<args::OnFailure> for OnFailure {
    fn from(on_failure: args::OnFailure) -> Self {
        match on_failure {
            args::OnFailure::Keep => Self::Keep,
            args::OnFailure::Drop => Self::Drop,
        }
    }
}

impl From<args::BuildIds> for BuildIds {
    fn from(build_ids: args::BuildIds) -> Self {
        match build_ids {
            args::BuildIds::Needed => Self::Needed,
            args::BuildIds::All => Self::All,
        }
    }
}

/// The inputs of a run that objects, hub and kernels give.
pub(crate) fn request(job: &Job) -> Result<Request> {
    let options = Options { filter: job.kernels.filter()?, ..Options::default() };
    Ok(Request { objects: job.objects.clone(), hub: job.hub.clone(), options })
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
