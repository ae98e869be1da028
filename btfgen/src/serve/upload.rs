//! Upload: a request's body, read within limits, as objects and parameters.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use btfgen_core::object::Object;
use btfgen_core::pipeline;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::parameters::Parameters;
use super::problem::{OBJECT_HINT, Problem};

/// Time for a body, and the bytes that add a second to it.
const BODY_TIME: Duration = Duration::from_secs(10);
const BYTES_PER_SECOND: usize = 64 << 10;
/// Most objects of a request; a file may contain several.
const MAX_OBJECTS: usize = 64;
/// Most programs of a request. A forecast keeps some kilobytes for each, and a symbol of 24 bytes makes one.
const MAX_PROGRAMS: usize = 4096;
/// Most characters of a file's name.
const MAX_NAME: usize = 255;

/// The limits of bodies.
pub(super) struct Limits {
    /// Most bytes of one.
    pub(super) body_bytes: usize,
    /// Limit for the bodies of all requests, in KiB.
    pub(super) held_kibibytes: Arc<Semaphore>,
}

/// The content of a body, and the query.
pub(super) struct Upload {
    pub(super) files: Vec<File>,
    pub(super) parameters: Parameters,
    /// Its share of [`Limits::held_kibibytes`].
    _held: Held,
}

/// A file of a form, or the whole body.
pub(super) struct File {
    /// The form's field.
    pub(super) field: String,
    name: String,
    bytes: Bytes,
}

impl Upload {
    /// Reads a body: the bytes of one object, or a form with several and with parameters.
    pub(super) async fn read(request: Request, limits: &Limits) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let mut parameters = Parameters::of_query(parts.uri.query())?;
        let content_type = content_type(&parts.headers);
        let is_form = content_type == "multipart/form-data";
        let mut held = Held::new(limits, if is_form { 2 } else { 1 });
        // What is refused is read too, so that the client gets to read why.
        let bytes = read_body(&parts.headers, body, limits, &mut held).await?;
        if !is_form && content_type != "application/octet-stream" {
            let error = format!(
                "Content-Type is {content_type:?}, not application/octet-stream or multipart/form-data"
            );
            let hint = "with curl: -F object=@FILE, or -H 'Content-Type: application/octet-stream' --data-binary @FILE";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error).hint(hint));
        }
        let mut files = Vec::new();
        if is_form {
            parts.headers.remove(CONTENT_LENGTH);
            let request = Request::from_parts(parts, Body::from(bytes));
            let form = Multipart::from_request(request, &()).await;
            let form = form.map_err(|error| Problem::parameter(error.body_text()))?;
            read_form(form, &mut files, &mut parameters).await?;
        } else {
            let name = parameters.one("name")?.unwrap_or("object").to_owned();
            files.push(File { field: String::new(), name, bytes });
        }
        if files.iter().all(|file| file.bytes.is_empty()) {
            let problem = Problem::parameter("there is no object in the body");
            return Err(problem.hint(OBJECT_HINT));
        }
        Ok(Self { files, parameters, _held: held })
    }

    /// Parses the objects.
    pub(super) fn objects(&self) -> Result<Vec<Object>, Problem> {
        let mut objects = Vec::new();
        for file in &self.files {
            let malformed = |source| pipeline::Error::Object { file: (&*file.name).into(), source };
            objects.extend(Object::parse_file(&file.name, &file.bytes).map_err(malformed)?);
            let programs: usize = objects.iter().map(|object: &Object| object.programs().len()).sum();
            if objects.len() > MAX_OBJECTS || programs > MAX_PROGRAMS {
                let error = format!("more than {MAX_OBJECTS} objects or {MAX_PROGRAMS} programs");
                return Err(
                    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error).hint("send fewer objects at once")
                );
            }
        }
        Ok(objects)
    }
}

/// The type of a body, without its parameters.
fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Reads a body, unless it is too long, or the client too slow.
async fn read_body(
    headers: &HeaderMap,
    mut body: Body,
    limits: &Limits,
    held: &mut Held,
) -> Result<Bytes, Problem> {
    let too_large = || {
        let limit = limits.body_bytes >> 20;
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {limit} MiB"))
            .hint("strip the object of debug information (llvm-strip -g), or start the server with a larger --max-body")
    };
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limits.body_bytes as u64) {
        return Err(too_large());
    }
    let start = Instant::now();
    let mut bytes = Vec::new();
    loop {
        let time = BODY_TIME + Duration::from_secs((bytes.len() / BYTES_PER_SECOND) as u64);
        let Ok(frame) = timeout_at(start + time, body.frame()).await else {
            let error =
                format!("only {} bytes of the body came within {} seconds", bytes.len(), time.as_secs());
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, error));
        };
        let Some(frame) = frame else { return Ok(bytes.into()) };
        let frame = frame.map_err(|error| Problem::parameter(format!("the body is cut off: {error}")))?;
        if let Ok(data) = frame.into_data() {
            if data.len() > limits.body_bytes - bytes.len() {
                return Err(too_large());
            }
            held.grow(bytes.len() + data.len())?;
            bytes.extend_from_slice(&data);
        }
    }
}

/// Reads the fields of a form: files, and parameters.
async fn read_form(
    mut form: Multipart,
    files: &mut Vec<File>,
    parameters: &mut Parameters,
) -> Result<(), Problem> {
    let malformed =
        |error: MultipartError| Problem::parameter(format!("the form is malformed: {}", error.body_text()));
    while let Some(field) = form.next_field().await.map_err(malformed)? {
        let name = field.name().unwrap_or_default().to_owned();
        let file = field.file_name().map(|name| name.chars().take(MAX_NAME).collect::<String>());
        let Some(file) = file else {
            parameters.add(name, field.text().await.map_err(malformed)?)?;
            continue;
        };
        let bytes = field.bytes().await.map_err(malformed)?;
        // A browser sends an unnamed empty file if none was chosen.
        if file.is_empty() && bytes.is_empty() {
            continue;
        }
        if files.len() == MAX_OBJECTS {
            return Err(Problem::parameter(format!("more than {MAX_OBJECTS} objects")));
        }
        files.push(File { field: name, name: file, bytes });
    }
    Ok(())
}

/// Memory that a request holds.
struct Held {
    all: Arc<Semaphore>,
    /// How often the body is in memory.
    copies: usize,
    own: Option<OwnedSemaphorePermit>,
}

impl Held {
    fn new(limits: &Limits, copies: usize) -> Self {
        Self { all: Arc::clone(&limits.held_kibibytes), copies, own: None }
    }

    /// Takes more of the limit.
    fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let needed = (bytes * self.copies).div_ceil(1 << 10);
        let more = needed.saturating_sub(self.own.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        if more == 0 {
            return Ok(());
        }
        let more =
            u32::try_from(more).ok().and_then(|more| Arc::clone(&self.all).try_acquire_many_owned(more).ok());
        let more = more.ok_or_else(|| Problem::busy("the bodies of other requests fill the memory"))?;
        match &mut self.own {
            Some(own) => own.merge(more),
            None => self.own = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(mebibytes: usize, held: usize) -> Limits {
        Limits { body_bytes: mebibytes << 20, held_kibibytes: Arc::new(Semaphore::new(held)) }
    }

    async fn read(content_type: &str, body: impl Into<Body>, limits: &Limits) -> Result<Upload, Problem> {
        let request = Request::post("/?name=a.o&kernel=x").header(CONTENT_TYPE, content_type);
        Upload::read(request.body(body.into()).unwrap(), limits).await
    }

    const FORM: &str = "Multipart/Form-Data; boundary=B";

    fn form(parts: &[(&str, &str)]) -> String {
        let part = |(head, text): &(&str, &str)| {
            format!("--B\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}\r\n")
        };
        parts.iter().map(part).collect::<String>() + "--B--\r\n"
    }

    #[tokio::test]
    async fn reads_bytes_and_forms() {
        let limits = limits(1, 100);
        let raw = read("application/octet-stream", "bytes", &limits).await.unwrap();
        let names: Vec<_> = raw.files.iter().map(|file| (&*file.name, &file.bytes[..])).collect();
        assert_eq!(names, [("a.o", &b"bytes"[..])]);
        let body = form(&[
            ("name=object; filename=b.o", "one"),
            ("name=object; filename=\"\"", ""),
            ("name=kernel", "y"),
            ("name=other; filename=c.o", "two"),
        ]);
        let upload = read(FORM, body, &limits).await.unwrap();
        let names: Vec<_> =
            upload.files.iter().map(|file| (&*file.field, &*file.name, &file.bytes[..])).collect();
        assert_eq!(names, [("object", "b.o", &b"one"[..]), ("other", "c.o", &b"two"[..])]);
        assert_eq!(upload.parameters.all("kernel"), ["x", "y"]);
    }

    #[tokio::test]
    async fn refuses() {
        let limits = limits(1, 2048);
        let check = async |content_type, body: Vec<u8>, status, error: &str| {
            let problem = read(content_type, body, &limits).await.map(drop).unwrap_err();
            assert_eq!(problem.status.as_u16(), status);
            assert!(problem.error.contains(error), "{}", problem.error);
        };
        check("text/plain", vec![1], 415, "Content-Type is \"text/plain\"").await;
        check("application/octet-stream", vec![], 400, "no object").await;
        check("application/octet-stream", vec![0; (1 << 20) + 1], 413, "larger than 1 MiB").await;
        check("multipart/form-data", vec![1], 400, "boundary").await;
        check(FORM, b"--B\r\nContent-Disposition: form-data; name=a".to_vec(), 400, "malformed").await;
        check(FORM, form(&[("name=object; filename=a", "1")])[..60].into(), 400, "malformed").await;
        check(FORM, form(&[("name=a; filename=a", "1"); 65]).into(), 400, "more than 64 objects").await;
        check(FORM, form(&[("name=kernel", "1")]).into(), 400, "no object").await;
    }

    #[tokio::test]
    async fn bodies_share_the_memory_and_give_it_back() {
        let limits = limits(1, 10);
        let first = read("application/octet-stream", vec![1; 6 << 10], &limits).await.unwrap();
        assert_eq!(limits.held_kibibytes.available_permits(), 4);
        let refused =
            read("application/octet-stream", vec![1; 6 << 10], &limits).await.map(drop).unwrap_err();
        assert_eq!(refused.status, 503);
        drop(first);
        assert_eq!(limits.held_kibibytes.available_permits(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_is_cut_off() {
        use axum::body::HttpBody;
        use std::pin::Pin;
        use std::task::{Context, Poll};

        /// Gives a byte every 1.5 seconds.
        struct Slow(tokio::time::Interval);

        impl HttpBody for Slow {
            type Data = Bytes;
            type Error = std::io::Error;

            fn poll_frame(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
            ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
                self.0
                    .poll_tick(context)
                    .map(|_| Some(Ok(hyper::body::Frame::data(Bytes::from_static(b"x")))))
            }
        }

        let slow = Body::new(Slow(tokio::time::interval(Duration::from_millis(1500))));
        let problem = read("application/octet-stream", slow, &limits(1, 100)).await.map(drop).unwrap_err();
        assert_eq!(
            (problem.status.as_u16(), problem.error.as_str()),
            (408, "only 7 bytes of the body came within 10 seconds")
        );
    }
}
