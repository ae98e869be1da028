//! `btfgen pack` and `btfgen report`: all kernels of a hub, into an archive or into a report.

use anyhow::Result;
use btfgen_core::files;
use btfgen_core::pipeline::{self, BuildIds, OnFailure, Packed, Request};
use btfgen_core::report::Report;

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
    let mut packed = run(&args.job, on_failure, build_ids)?;
    let bytes = packed.archive(args.level.level)?;
    files::write_if_changed(&args.output, &bytes)?;
    packed.report.archive_bytes = bytes.len();
    let warnings = packed.report.warnings().into_iter();
    eprint!("{}", warnings.map(|warning| format!("warning: {warning}\n")).collect::<String>());
    show(&packed.report, args.job.json, |report| format!("{report}\n"))
}

pub(crate) fn report(args: &args::Report) -> Result<()> {
    let report = run(&args.job, OnFailure::Keep, BuildIds::Needed)?.report;
    if args.tsv {
        return print(&report.tsv());
    }
    show(&report, args.job.json, |report| report.text(args.verbose))
}

fn show(report: &Report, json: bool, text: impl Fn(&Report) -> String) -> Result<()> {
    match json {
        true => print_json(report),
        false => print(&text(report)),
    }
}

fn run(job: &Job, on_failure: OnFailure, build_ids: BuildIds) -> Result<Packed> {
    let filter = job.kernels.filter()?;
    let (objects, hub) = (job.objects.clone(), job.hub.clone());
    let request = Request {
        objects,
        hub,
        filter,
        on_failure,
        build_ids,
        assumptions: btfgen_core::forecast::Assumptions {
            deployment: match std::env::var("BTF").as_deref() {
                Ok("own") => btfgen_core::forecast::Deployment::Own,
                Ok("embedded") => btfgen_core::forecast::Deployment::Embedded,
                _ => Default::default(),
            },
            ..Default::default()
        },
    };
    let bar = progress_bar("minimizing");
    let progress = |done: usize, of: usize| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    };
    let packed = pipeline::run(&request, &progress);
    bar.finish_and_clear();
    Ok(packed?)
}
