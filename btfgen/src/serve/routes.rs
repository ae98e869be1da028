//! Routes: every method and path, and what holds for all of them.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::trace::{DefaultOnFailure, DefaultOnResponse, TraceLayer};
use tracing::Level;

use super::metrics::{OPEN_METRICS, count};
use super::problem::Problem;
use super::service::Service;
use super::{api, online, site};

/// What a page of this server may load and do. `data:` is for the icons of the report's styles.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                              form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// A method, its path and its handler.
type Route = (&'static str, &'static str, MethodRouter<Arc<Service>>);

/// Every route; `openapi.json` has the same.
fn routes() -> Vec<Route> {
    vec![
        ("get", "/", get(site::index)),
        ("get", "/assets/{file}", get(site::asset)),
        ("get", "/healthz", get(healthz)),
        ("get", "/metrics", get(metrics)),
        ("get", "/api/v1/openapi.json", get(api::openapi)),
        ("get", "/api/v1/kernels", get(api::kernels)),
        ("post", "/api/v1/forecast", post(api::forecast)),
        ("post", "/api/v1/minimize", post(api::minimize)),
        ("post", "/api/v1/pack", post(api::pack)),
        ("get", "/api/v1/btf", get(api::btf_of_build_id)),
        ("get", "/api/v1/btf/{*kernel}", get(api::btf_of_kernel)),
        ("get", "/api/v1/list", get(online::list)),
        ("get", "/api/v1/download", get(online::download)),
        ("post", "/api/v1/customize", post(online::customize)),
        ("get", "/list", get(online::list_legacy)),
        ("post", "/generate", post(online::customize_legacy)),
    ]
}

/// The service of all routes.
pub(super) fn router(service: Arc<Service>) -> Router {
    let header = |name: HeaderName, value| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    let trace = TraceLayer::new_for_http()
        .make_span_with(|request: &Request| {
            tracing::info_span!("request", method = %request.method(), path = request.uri().path())
        })
        .on_response(DefaultOnResponse::new().level(Level::INFO))
        .on_failure(DefaultOnFailure::new().level(Level::WARN));
    routes()
        .into_iter()
        .fold(Router::new(), |router, (_, path, handler)| router.route(path, handler))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(site::problem_page))
        .layer(from_fn_with_state(Arc::clone(&service.metrics), count))
        .layer(trace)
        .layer(header(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(REFERRER_POLICY, "no-referrer"))
        .layer(header(CONTENT_SECURITY_POLICY, CONTENT_POLICY))
        .layer(header(HeaderName::from_static("cross-origin-resource-policy"), "same-origin"))
        .layer(header(CACHE_CONTROL, "no-store"))
        // `upload` has its own limit.
        .layer(DefaultBodyLimit::disable())
        .with_state(service)
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn metrics(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    let text = service.metrics.text().map_err(Problem::bug)?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

async fn no_route(request: Request) -> Problem {
    let error = format!("there is nothing at {}", request.uri().path());
    Problem::not_found(error).hint("GET /api/v1/openapi.json describes what there is")
}

async fn no_method(request: Request) -> Problem {
    let error = format!("{} is no method of {}", request.method(), request.uri().path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, error)
}

fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Problem::bug("the server panicked").into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_openapi_file_has_every_route_and_no_other() {
        let document: serde_json::Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let described: BTreeSet<(String, String)> = paths
            .iter()
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().keys().map(|method| (method.clone(), path.clone()))
            })
            .collect();
        let routes =
            routes().into_iter().map(|(method, path, _)| (method.to_owned(), path.replace("{*", "{")));
        assert_eq!(described, routes.collect());
    }
}
