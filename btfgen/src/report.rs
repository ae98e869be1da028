//! `btfgen report`: whether each program runs on each kernel of a hub, for people and for machines.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use btfgen_core::forecast::{Assumptions, Deployment, Forecast, Gate, NoSuchProgram, Require, Unknown};
use btfgen_core::hub::{KernelGlob, Near};
use btfgen_core::report::page::page;
use btfgen_core::report::{Baseline, Document, DocumentVersion, View, describe_broken};
use btfgen_core::{KernelId, files};
use glob::Pattern;

use crate::args::{self, Format};
use crate::output::{count, print, to_json};
use crate::pack::{request, run as run_pipeline};

/// A requirement is broken, or something is worse than in the baseline.
const BROKEN: u8 = 3;

/// How a broken requirement is mended.
const WHAT_TO_DO: &str = "guard what is missing with a CO-RE check, make the program optional (--optional), or require fewer kernels";

pub(crate) fn run(args: &args::Report) -> Result<ExitCode> {
    let baseline = args.baseline.as_deref().map(read_baseline).transpose()?;
    let gate = gate(args)?;
    let kernels: Vec<KernelGlob> =
        args.kernel.iter().map(|glob| KernelGlob::new(glob)).collect::<Result<_, _>>()?;
    let assumptions = Assumptions {
        optional: args.optional.clone(),
        targets: args.target.iter().cloned().collect(),
        deployment: deployment(args.btf),
    };
    let mut request = request(&args.job)?;
    request.options.forecast = Some(assumptions);
    let mut report = run_pipeline(&request)?.report;
    let broken = gate.check(&report.forecast)?;
    let broken = (!broken.is_empty()).then(|| describe_broken(&report.forecast, &broken));
    report.forecast =
        select(&kernels, &args.program, &report.forecast).map_err(|wrong| anyhow!("--{wrong}"))?;
    let changes = baseline.as_ref().map(|baseline| baseline.changes(&report.forecast));

    let view = match (args.kernel.is_empty(), args.program.is_empty()) {
        (false, no_program) => View::Kernels { with_objects: no_program },
        (true, false) => View::Programs,
        (true, true) => View::Overview,
    };
    let text = match (args.format, &changes) {
        (Format::Text, Some(changes)) => changes.text(),
        (Format::Text, None) => report.text(view),
        (Format::Json, _) => to_json(&Document::from(&report))?,
        (Format::Tsv, _) => report.tsv(),
        (Format::Html, _) => page(&report),
    };
    match &args.output {
        Some(file) => drop(files::write_if_changed(file, text.as_bytes())?),
        None => print(&text)?,
    }

    let worse = changes.filter(|changes| changes.worse() > 0);
    if let (Some(file), Some(changes)) = (&args.baseline, &worse) {
        if args.format != Format::Text {
            eprint!("{}", changes.text());
        }
        let (worse, file) = (count(changes.worse(), "verdict"), file.display());
        eprintln!(
            "error: {worse} worse than in {file}; to accept that, write the file again with --format json"
        );
    }
    if let Some(broken) = &broken {
        eprintln!("error: --require is broken:\n{broken}\n{WHAT_TO_DO}");
    }
    let is_good = worse.is_none() && broken.is_none();
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::from(BROKEN) })
}

/// With which BTF programs are deployed; without an answer, what the hub knows of each kernel.
pub(crate) fn deployment(btf: Option<args::Deployment>) -> Deployment {
    match btf {
        None => Deployment::Either,
        Some(args::Deployment::Own) => Deployment::Own,
        Some(args::Deployment::Embedded) => Deployment::Embedded,
    }
}

/// What must run where.
fn gate(args: &args::Report) -> Result<Gate> {
    let require = match args.require.is_empty() {
        true => Vec::new(),
        false => vec![Require::new(&args.require, &[])?],
    };
    let unknown = match args.unknown {
        args::Unknown::Allow => Unknown::Allow,
        args::Unknown::Deny => Unknown::Deny,
    };
    Ok(Gate { require, unknown })
}

/// The wanted kernels and programs of a forecast; the error begins with the name of the option that matches nothing.
pub(crate) fn select(
    kernels: &[KernelGlob],
    programs: &[Pattern],
    forecast: &Forecast,
) -> Result<Forecast, String> {
    for glob in kernels {
        if !forecast.kernels.iter().any(|id| glob.matches(id)) {
            let near = Near::to(glob.as_str(), &Vec::from_iter(&forecast.kernels));
            return Err(format!("kernel {:?} matches no kernel; {near}", glob.as_str()));
        }
    }
    let all_programs = || forecast.objects.iter().flat_map(|object| &object.programs);
    for glob in programs {
        if !all_programs().any(|program| glob.matches(&program.name)) {
            return Err(format!("program {}", NoSuchProgram::new(glob.as_str(), &forecast.objects)));
        }
    }
    let has_kernel = |id: &KernelId| kernels.is_empty() || kernels.iter().any(|glob| glob.matches(id));
    let has_program = |name: &str| programs.is_empty() || programs.iter().any(|glob| glob.matches(name));
    Ok(forecast.select(has_kernel, has_program))
}

/// Reads the JSON of an earlier report.
fn read_baseline(file: &Path) -> Result<Baseline> {
    let bytes = files::read(file)?;
    let context = || format!("{} is not a report of \"btfgen report --format json\"", file.display());
    let version: DocumentVersion = serde_json::from_slice(&bytes).with_context(context)?;
    version.check().with_context(|| file.display().to_string())?;
    serde_json::from_slice(&bytes).with_context(context)
}
