//! Metrics: what Prometheus reads.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// The format of [`Metrics::text`], which Prometheus asks for.
pub(super) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the histogram's buckets, in seconds.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// A request that has an answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

/// The counters.
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    refused: Counter,
    /// Open connections.
    pub(super) connections: Gauge,
}

impl Metrics {
    pub(super) fn new(kernels: usize) -> Self {
        let requests = Family::default();
        let seconds: Family<_, _, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS));
        let (in_flight, connections, refused) = <(Gauge, Gauge, Counter)>::default();
        let hub_kernels = <Gauge>::default();
        hub_kernels.set(i64::try_from(kernels).unwrap_or(i64::MAX));
        let mut registry = Registry::with_prefix("btfgen");
        registry.register("requests", "Requests with an answer", requests.clone());
        let help = "Time from a request's headers to the answer's";
        registry.register_with_unit("request_duration", help, Unit::Seconds, seconds.clone());
        registry.register("requests_in_flight", "Requests without an answer so far", in_flight.clone());
        registry.register(
            "refused",
            "Requests refused because of too much to do (status 503)",
            refused.clone(),
        );
        registry.register("connections", "Open connections", connections.clone());
        registry.register("hub_kernels", "Kernels in the hub", hub_kernels);
        Self { registry, requests, seconds, in_flight, refused, connections }
    }

    /// What Prometheus reads.
    pub(super) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Counts down when it is dropped, also if the client goes away.
pub(super) struct Counted(Gauge);

impl Counted {
    pub(super) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Counts a request.
pub(super) async fn count(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = match *request.method() {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    };
    let _counted = Counted::new(&metrics.in_flight);
    let start = Instant::now();
    let response = next.run(request).await;
    let status = response.status();
    metrics.seconds.get_or_create(&Route { route: route.clone() }).observe(start.elapsed().as_secs_f64());
    metrics.requests.get_or_create(&Answered { method, route, status: status.as_u16() }).inc();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        metrics.refused.inc();
    }
    response
}
