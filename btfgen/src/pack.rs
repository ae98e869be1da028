//! `btfgen pack` and `btfgen report`: all kernels of a hub, into an archive or into a report.

use anyhow::Context;
use btfgen_core::hub::KernelFilter;
use btfgen_core::pipeline::{Inputs, OnFailure, Packed};
use btfgen_core::report::Report;
use btfgen_core::{KernelId, archive};
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::{self, Job};
use crate::output::{self, print, print_json};
use crate::{Outcome, Result};

pub(crate) fn pack(args: &args::Pack) -> Result<Outcome> {
    let on_failure = match args.on_failure {
        args::OnFailure::Warn => OnFailure::Warn,
        args::OnFailure::Error => OnFailure::Error,
        args::OnFailure::Drop => OnFailure::Drop,
    };
    let mut packed = run(&args.job, on_failure)?;
    let bytes = archive::write(&packed.entries, &packed.blobs, &packed.objects, args.level)?;
    output::write(&args.output, &bytes)?;
    packed.report.archive_bytes = bytes.len();
    let warnings = packed.report.warnings().into_iter();
    eprint!("{}", warnings.map(|warning| format!("warning: {warning}\n")).collect::<String>());
    show(&packed.report, args.job.json, |report| format!("{report}\n"))
}

pub(crate) fn report(args: &args::Report) -> Result<Outcome> {
    let report = run(&args.job, OnFailure::Warn)?.report;
    show(&report, args.job.json, text)
}

fn show(report: &Report, json: bool, text: fn(&Report) -> String) -> Result<Outcome> {
    match json {
        true => print_json(report)?,
        false => print(&text(report))?,
    }
    Ok(Outcome::Done)
}

fn run(job: &Job, on_failure: OnFailure) -> Result<Packed> {
    let filter = KernelFilter::new(&job.include, &job.exclude, &job.arch)?;
    let inputs = Inputs::read(&job.objects, &job.hub)?;
    // Shown on a terminal only.
    let bar = ProgressBar::new(0).with_style(style());
    let progress = |done: usize, of: usize| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    };
    let packed = inputs.pack(&filter, on_failure, &progress);
    bar.finish_and_clear();
    Ok(packed.with_context(|| format!("while reading hub {}", job.hub.display()))?)
}

fn style() -> ProgressStyle {
    let template = ProgressStyle::with_template("minimizing {bar:40} {pos}/{len} kernels, {eta} left");
    template.unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The report for a person: each object, each problem with every kernel it befalls, and the sums.
fn text(report: &Report) -> String {
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
        lines.extend(kernels.into_iter().map(|id: &KernelId| format!("  {id}")));
    }
    lines.extend(report.idle_excludes.iter().map(|glob| format!("exclude {glob:?} matches no kernel")));
    lines.extend(report.hub_notes.iter().map(|note| format!("in the hub: {note}")));
    lines.push(report.to_string());
    lines.join("\n") + "\n"
}
