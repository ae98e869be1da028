//! Problem: why a request has no other answer.

use std::error::Error;
use std::fmt::Display;

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use btfgen_core::forecast::ForecastError;
use btfgen_core::hub::FilterError;
use btfgen_core::hub::file::HubFileError;
use btfgen_core::minimize::MinimizeError;
use btfgen_core::object::ObjectError;
use btfgen_core::pipeline;
use serde::Serialize;

/// Seconds after which a refused client may try again.
const RETRY_SECONDS: u16 = 2;

/// What objects are.
pub(super) const OBJECT_HINT: &str =
    "send what clang -target bpf -g -c writes, or a program that has such objects in its section .bpf.objs";

/// Why a request fails, as the client is told.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Problem {
    #[serde(skip)]
    pub(super) status: StatusCode,
    /// What is wrong.
    pub(super) error: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<&'static str>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, error: impl Display) -> Self {
        Self { status, error: error.to_string(), hint: None }
    }

    /// A parameter is malformed.
    pub(super) fn parameter(error: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// A name or a glob matches nothing.
    pub(super) fn not_found(error: impl Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    /// The server has too much to do.
    pub(super) fn busy(error: impl Display) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error).hint("try again in a few seconds")
    }

    /// A bug in btfgen.
    pub(super) fn bug(error: impl Display) -> Self {
        let error = error.to_string();
        tracing::error!(%error, "bug");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error).hint("this is a bug in btfgen; please report it")
    }

    /// The body cannot be used, though it came whole.
    pub(super) fn body(error: &dyn Error) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, chain(error))
    }

    pub(super) fn hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }
}

/// An error and its causes, on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

impl From<FilterError> for Problem {
    fn from(error: FilterError) -> Self {
        match error {
            FilterError::Glob { .. } => Self::parameter(error),
            _ => Self::not_found(error),
        }
    }
}

impl From<ObjectError> for Problem {
    fn from(error: ObjectError) -> Self {
        Self::body(&error)
    }
}

impl From<HubFileError> for Problem {
    fn from(error: HubFileError) -> Self {
        // The hub was checked when it was read.
        Self::bug(chain(&error))
    }
}

impl From<pipeline::Error> for Problem {
    fn from(error: pipeline::Error) -> Self {
        use pipeline::Error as E;
        match error {
            E::Filter { source, .. } => (*source).into(),
            E::Forecast(ForecastError::NoProgram { .. }) => Self::not_found(error),
            E::Difference { .. }
            | E::Minimize(MinimizeError::Difference(_))
            | E::Hub(_)
            | E::File(_)
            | E::Forecast(ForecastError::Hub(_)) => Self::bug(chain(&error)),
            E::Object { .. } => Self::body(&error).hint(OBJECT_HINT),
            _ => Self::body(&error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status;
        let mut response = (status, Json(&self)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
        }
        // For who gives it another form.
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_clients_are_not_bugs() {
        let check = |problem: Problem, status, error: &str| {
            assert_eq!((problem.status.as_u16(), problem.error.as_str()), (status, error));
        };
        check(ObjectError::NoBtf.into(), 422, "no .BTF section: compile with clang -target bpf -g");
        let filter = |include: &str| {
            let filter = btfgen_core::hub::KernelFilter::new(&[include], &[], &[]);
            Problem::from(filter.and_then(|filter| filter.select(&[])).unwrap_err())
        };
        check(filter("***"), 400, "\"***\" is not a glob over kernel ids");
        check(filter("a/**"), 404, "include \"a/**\" matches no kernel; the hub is empty");
        let hub = "kernels.hub".into();
        let source = Box::new(FilterError::NoMatch {
            glob: "x".to_owned(),
            near: btfgen_core::hub::Near::to("x", &[]),
        });
        let error = pipeline::Error::Filter { hub, source };
        check(error.into(), 404, "include \"x\" matches no kernel; the hub is empty");
        let problems = vec!["first".to_owned()];
        check(
            pipeline::Error::NoneServed { drops: false, problems }.into(),
            422,
            "no kernel can be used:\nfirst",
        );
    }

    #[test]
    fn the_busy_server_says_when_to_try_again() {
        let response = Problem::busy("x").into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        assert!(!Problem::not_found("x").into_response().headers().contains_key(RETRY_AFTER));
    }
}
