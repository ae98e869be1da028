//! Online: the routes of Seekret's btfhub-online, so that its clients work. They show a body of an error as it is, so it is text.

use std::io::{self, Write};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use btfgen_core::KernelId;
use btfgen_core::hub::Form;
use flate2::Compression;
use flate2::write::GzEncoder;
use liblzma::write::XzEncoder;
use serde::Serialize;

use super::api::minimized;
use super::download::Download;
use super::parameters::Parameters;
use super::problem::Problem;
use super::service::Service;
use super::upload::Upload;

type Shared = State<Arc<Service>>;

/// The parameters that name a kernel, in the order of a kernel id.
const PARTS: [&str; 4] = ["distribution", "distribution_version", "arch", "kernel_version"];

/// The field of a form with the object.
const OBJECT: &str = "bpf";

/// Preset of xz: the next ones take twice the time, and save a tenth.
const XZ_PRESET: u32 = 1;

/// A problem as text.
pub(super) struct Plain(Problem);

impl From<Problem> for Plain {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Plain {
    fn into_response(self) -> Response {
        let text = match self.0.hint {
            Some(hint) => format!("{}; {hint}\n", self.0.error),
            None => format!("{}\n", self.0.error),
        };
        let (parts, _) = self.0.into_response().into_parts();
        let mut response = text.into_response();
        *response.status_mut() = parts.status;
        let others = parts.headers.into_iter().filter_map(|(name, value)| Some((name?, value)));
        let others = others.filter(|(name, _)| !name.as_str().starts_with("content-"));
        response.headers_mut().extend(others);
        response
    }
}

#[derive(Serialize)]
struct Identifier<'k> {
    distribution: &'k str,
    distribution_version: &'k str,
    kernel_version: &'k str,
    arch: &'k str,
}

/// `GET /api/v1/list`
pub(super) async fn list(State(service): Shared) -> Result<Response, Plain> {
    let file = service.hub_file()?;
    let identifiers = file.kernels().iter().map(|record| Identifier {
        distribution: record.id.distro(),
        distribution_version: record.id.version(),
        kernel_version: record.id.release(),
        arch: record.id.arch(),
    });
    Ok(Json(identifiers.collect::<Vec<_>>()).into_response())
}

/// `GET /list`
pub(super) async fn list_legacy(State(service): Shared) -> Result<Response, Plain> {
    let file = service.hub_file()?;
    let names = file.kernels().iter().map(|record| format!("{}{}", record.id, Form::TarXz.suffix()));
    Ok(Json(names.collect::<Vec<_>>()).into_response())
}

/// `GET /api/v1/download`
pub(super) async fn download(State(service): Shared, uri: Uri) -> Result<Download, Plain> {
    let kernel = kernel(&service, &Parameters::of_query(uri.query())?)?;
    let job = {
        let service = Arc::clone(&service);
        move || {
            let btf = service.hub_file()?.extract(&kernel)?;
            let name = format!("{}.btf", kernel.release());
            let packed = tar(XzEncoder::new(Vec::new(), XZ_PRESET), &name, &btf).and_then(XzEncoder::finish);
            Ok(Download::new(&format!("{name}.tar.xz"), packed.map_err(Problem::bug)?))
        }
    };
    Ok(service.jobs.run(job).await?)
}

/// `POST /api/v1/customize`
pub(super) async fn customize(State(service): Shared, request: Request) -> Result<Download, Plain> {
    let upload = read(&service, request).await?;
    let kernel = kernel(&service, &upload.parameters)?;
    let member = format!("{}.btf", kernel.release());
    let name = format!("{member}.tar.gz");
    minimized_tar(service, upload, kernel, member, name).await
}

/// `POST /generate`
pub(super) async fn customize_legacy(State(service): Shared, request: Request) -> Result<Download, Plain> {
    let upload = read(&service, request).await?;
    let name = upload.parameters.one("kernel_name")?.ok_or_else(|| missing(&["kernel_name"]))?;
    let name = name.replace('*', "");
    let kernel = service.kernel(name.strip_suffix(Form::TarXz.suffix()).unwrap_or(&name))?;
    let member = format!("{kernel}.btf");
    minimized_tar(service, upload, kernel, member, "btfs.tar.gz".to_owned()).await
}

/// Reads the form with the object.
async fn read(service: &Service, request: Request) -> Result<Upload, Problem> {
    let mut upload = Upload::read(request, &service.limits).await?;
    upload.files.retain(|file| file.field == OBJECT);
    if upload.files.is_empty() {
        return Err(Problem::parameter(format!("the form has no file {OBJECT:?}")));
    }
    Ok(upload)
}

/// The minimized BTF of a kernel as the only member of a `.tar.gz` file.
async fn minimized_tar(
    service: Arc<Service>,
    upload: Upload,
    kernel: KernelId,
    member: String,
    name: String,
) -> Result<Download, Plain> {
    let job = {
        let service = Arc::clone(&service);
        move || {
            let btf = minimized(&service, &upload, &kernel)?;
            let gzip = GzEncoder::new(Vec::new(), Compression::default());
            let packed = tar(gzip, &member, &btf).and_then(GzEncoder::finish);
            Ok(Download::new(&name, packed.map_err(Problem::bug)?))
        }
    };
    Ok(service.jobs.run(job).await?)
}

/// The kernel that the parameters name.
fn kernel(service: &Service, parameters: &Parameters) -> Result<KernelId, Problem> {
    let mut parts = Vec::new();
    for name in PARTS {
        parts.extend(parameters.one(name)?);
    }
    if parts.len() < PARTS.len() {
        return Err(missing(&PARTS));
    }
    service.kernel(&parts.join("/"))
}

fn missing(needed: &[&str]) -> Problem {
    let parameters = if needed.len() == 1 { "parameter is" } else { "parameters are" };
    Problem::parameter(format!("the {parameters} needed: {}", needed.join(", ")))
}

/// Writes a tar archive with one member.
fn tar<W: Write>(out: W, name: &str, bytes: &[u8]) -> io::Result<W> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    let mut tar = tar::Builder::new(out);
    tar.append_data(&mut header, name, bytes)?;
    tar.into_inner()
}
