//! `btfgen pack` and `btfgen report`: all kernels of a hub, into an archive or into a report.

use anyhow::{Context, Result};
use btfgen_core::pipeline::{Inputs, OnFailure, Packed};
use btfgen_core::report::Report;
use btfgen_core::{KernelId, archive, files};

use crate::args::{self, Job};
use crate::output::{count, print, print_json, progress_bar};

/// Most kernels listed for one problem.
const MAX_LISTED: usize = 5;

pub(crate) fn pack(args: &args::Pack) -> Result<()> {
    let on_failure = match args.on_failure {
        args::OnFailure::Warn => OnFailure::Warn,
        args::OnFailure::Error => OnFailure::Error,
        args::OnFailure::Drop => OnFailure::Drop,
    };
    let mut packed = run(&args.job, on_failure)?;
    let bytes = archive::write(&packed.entries, &packed.blobs, &packed.objects, args.level.level)?;
    files::write_if_changed(&args.output, &bytes)?;
    packed.report.archive_bytes = bytes.len();
    let warnings = packed.report.warnings().into_iter();
    eprint!("{}", warnings.map(|warning| format!("warning: {warning}\n")).collect::<String>());
    show(&packed.report, args.job.json, |report| format!("{report}\n"))
}

pub(crate) fn report(args: &args::Report) -> Result<()> {
    let report = run(&args.job, OnFailure::Warn)?.report;
    show(&report, args.job.json, |report| text(report, args.verbose))
}

fn show(report: &Report, json: bool, text: impl Fn(&Report) -> String) -> Result<()> {
    match json {
        true => print_json(report),
        false => print(&text(report)),
    }
}

fn run(job: &Job, on_failure: OnFailure) -> Result<Packed> {
    let filter = job.kernels.filter()?;
    let inputs = Inputs::read(&job.objects, &job.hub)?;
    let bar = progress_bar("minimizing");
    let progress = |done: usize, of: usize| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    };
    let packed = inputs.pack(&filter, on_failure, &progress);
    bar.finish_and_clear();
    packed.with_context(|| format!("hub {}", job.hub.display()))
}

/// The report for a person: each object, each problem with its kernels, and the totals.
fn text(report: &Report, verbose: bool) -> String {
    let mut lines = Vec::new();
    for object in &report.objects {
        lines.push(format!("{}: {} relocations", object.name, object.relocations));
        lines.extend(object.failures.iter().map(|failure| format!("  fails everywhere: {failure}")));
        let needs = object.needs_kernel_btf.iter();
        lines.extend(needs.map(|need| format!("  needs the kernel's own BTF: {need}")));
        if object.type_ids > 0 {
            lines.push(format!("  asks for type ids of the BTF at hand: {} relocations", object.type_ids));
        }
    }
    for (problem, kernels) in report.problems() {
        lines.push(format!("{problem}"));
        let shown = if verbose || kernels.len() <= MAX_LISTED { kernels.len() } else { 0 };
        lines.extend(kernels.iter().take(shown).map(|id: &&KernelId| format!("  {id}")));
        if shown < kernels.len() {
            lines.push(format!("  {}; list them with --verbose", count(kernels.len(), "kernel")));
        }
    }
    lines.extend(report.idle_excludes.iter().map(|glob| format!("exclude {glob:?} matches no kernel")));
    lines.extend(report.hub_notes.iter().map(|note| format!("in the hub: {note}")));
    lines.push(report.to_string());
    lines.join("\n") + "\n"
}
