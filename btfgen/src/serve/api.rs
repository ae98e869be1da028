//! API: the routes below `/api/v1`, named as the commands; `openapi.json` describes them.

use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use btfgen_core::forecast::Assumptions;
use btfgen_core::hub::{KernelFilter, KernelGlob};
use btfgen_core::pipeline::{BuildIds, OnFailure, Options, run_on};
use btfgen_core::report::{Document, Report};
use btfgen_core::{DEFAULT_LEVEL, KernelId};
use btfgen_runtime::ObjectDigest;
use glob::Pattern;

use super::download::Download;
use super::parameters::Parameters;
use super::problem::Problem;
use super::service::Service;
use super::site;
use super::upload::Upload;
use crate::{args, output, report};

type Shared = State<Arc<Service>>;

const JSON: &str = "application/json";

/// The parameters of a set of kernels.
const KERNELS: [&str; 3] = ["include", "exclude", "arch"];

/// A job has one thread, since as many jobs run as there are cores.
const THREADS: Option<NonZeroUsize> = NonZeroUsize::new(1);

/// `GET /api/v1/openapi.json`
pub(super) async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, JSON)], include_str!("openapi.json"))
}

/// `GET /api/v1/kernels`
pub(super) async fn kernels(State(service): Shared) -> impl IntoResponse {
    ([(CONTENT_TYPE, JSON)], service.kernels.clone())
}

/// `POST /api/v1/forecast`
pub(super) async fn forecast(State(service): Shared, request: Request) -> Result<Response, Problem> {
    let accepts_html = site::accepts_html(request.headers());
    let upload = Upload::read(request, &service.limits).await?;
    let question = Question::new(&upload.parameters)?;
    let job = {
        let service = Arc::clone(&service);
        move || {
            let report = question.answer(&service, &upload)?;
            Ok(match accepts_html {
                true => site::report(&report),
                false => {
                    let json = output::to_json(&Document::from(&report)).map_err(Problem::bug)?;
                    ([(CONTENT_TYPE, JSON)], json).into_response()
                }
            })
        }
    };
    service.jobs.run(job).await
}

/// What is asked of a forecast.
struct Question {
    options: Options,
    kernels: Vec<KernelGlob>,
    programs: Vec<Pattern>,
}

impl Question {
    fn new(parameters: &Parameters) -> Result<Self, Problem> {
        parameters
            .check(&[&KERNELS[..], &["kernel", "program", "optional", "target", "btf", "name"]].concat())?;
        let assumptions = Assumptions {
            optional: parameters.parsed("optional", args::pattern)?,
            targets: parameters.parsed("target", args::target)?.into_iter().collect(),
            deployment: report::deployment(parameters.word("btf")?),
        };
        Ok(Self {
            options: Options {
                filter: parameters.filter()?,
                forecast: Some(assumptions),
                threads: THREADS,
                ..Options::default()
            },
            kernels: parameters
                .parsed("kernel", |glob| KernelGlob::new(glob).map_err(|error| error.to_string()))?,
            programs: parameters.parsed("program", args::pattern)?,
        })
    }

    fn answer(&self, service: &Service, upload: &Upload) -> Result<Report, Problem> {
        let mut report = run_on(&upload.objects()?, service.hub(), &self.options, &|_, _| {})?.report;
        report.forecast =
            report::select(&self.kernels, &self.programs, &report.forecast).map_err(Problem::not_found)?;
        Ok(report)
    }
}

/// `POST /api/v1/minimize`
pub(super) async fn minimize(State(service): Shared, request: Request) -> Result<Download, Problem> {
    let upload = Upload::read(request, &service.limits).await?;
    upload.parameters.check(&["kernel", "build_id", "name"])?;
    let kernel = service.named_kernel(&upload.parameters)?;
    let job = {
        let service = Arc::clone(&service);
        move || {
            let btf = minimized(&service, &upload, &kernel)?;
            Ok(Download::new(&format!("{}.btf", kernel.release()), btf))
        }
    };
    service.jobs.run(job).await
}

/// One kernel's BTF, minimized for the objects of an upload.
pub(super) fn minimized(service: &Service, upload: &Upload, kernel: &KernelId) -> Result<Vec<u8>, Problem> {
    let filter = KernelFilter::new(&[Pattern::escape(kernel.as_str())], &[], &[])?;
    let options = Options { filter, threads: THREADS, ..Options::default() };
    let packed = run_on(&upload.objects()?, service.hub(), &options, &|_, _| {})?;
    let btf = packed.btfs().next().map(|(_, btf)| btf.to_vec());
    btf.ok_or_else(|| Problem::bug(format!("no BTF for {kernel}")))
}

/// `POST /api/v1/pack`
pub(super) async fn pack(State(service): Shared, request: Request) -> Result<Download, Problem> {
    let upload = Upload::read(request, &service.limits).await?;
    let parameters = &upload.parameters;
    parameters.check(&[&KERNELS[..], &["on_failure", "build_ids", "name"]].concat())?;
    let options = Options {
        filter: parameters.filter()?,
        on_failure: parameters
            .word::<args::OnFailure>("on_failure")?
            .map_or_else(OnFailure::default, Into::into),
        build_ids: parameters.word::<args::BuildIds>("build_ids")?.map_or_else(BuildIds::default, Into::into),
        threads: THREADS,
        ..Options::default()
    };
    let job = {
        let service = Arc::clone(&service);
        move || {
            let packed = run_on(&upload.objects()?, service.hub(), &options, &|_, _| {})?;
            Ok(Download::new("btfgen.archive", packed.archive(DEFAULT_LEVEL)?))
        }
    };
    service.jobs.run(job).await
}

/// `GET /api/v1/btf/{kernel}`
pub(super) async fn btf_of_kernel(
    State(service): Shared,
    Path(kernel): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let parameters = Parameters::of_query(uri.query())?;
    parameters.check(&["build_id", "digest"])?;
    let kernel = service.kernel_or_build(&kernel, parameters.one_parsed("build_id")?)?;
    btf(&service, &kernel, &parameters, &headers)
}

/// `GET /api/v1/btf`
pub(super) async fn btf_of_build_id(
    State(service): Shared,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let parameters = Parameters::of_query(uri.query())?;
    parameters.check(&["kernel", "build_id", "digest"])?;
    btf(&service, &service.named_kernel(&parameters)?, &parameters, &headers)
}

fn btf(
    service: &Service,
    kernel: &KernelId,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let digests = parameters.parsed("digest", digest)?;
    let btf = service.preloaded.btf(kernel, &digests)?;
    let response = Download::new(&format!("{}.btf", kernel.release()), btf).unless_known(headers);
    // Another start of the server may have other objects.
    Ok(([(CACHE_CONTROL, "no-cache")], response).into_response())
}

fn digest(text: &str) -> Result<ObjectDigest, String> {
    let is_hex = text.len() == 2 * ObjectDigest::LEN && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = is_hex.then(|| u64::from_str_radix(text, 16).ok()).flatten();
    let number = number.ok_or("not 16 hexadecimal digits")?;
    Ok(ObjectDigest::from_bytes(number.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_digests() {
        assert_eq!(digest("0123456789abcdef").unwrap().to_string(), "0123456789abcdef");
        for wrong in ["", "0123456789abcde", "+123456789abcdef", "0123456789abcdefg", "0123456789abcdeg"] {
            assert!(digest(wrong).is_err(), "{wrong}");
        }
    }
}
