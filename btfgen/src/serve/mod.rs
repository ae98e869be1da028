//! `btfgen serve`: forecasts, archives and minimized BTF over HTTP, and a page. `docs/serve.md` describes it.
//!
//! The hub is read once. A request's body is read within limits (`upload`), waits for its turn and is worked on by a thread that
//! may block (`jobs`). Nothing that a client sends is stored.

mod api;
mod connections;
mod download;
mod jobs;
mod metrics;
mod online;
mod parameters;
mod preloaded;
mod problem;
mod routes;
mod service;
mod site;
mod upload;

use std::io::{IsTerminal, stderr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::runtime;

use crate::args;
use crate::output::print;
use service::Service;

pub(crate) fn run(args: &args::Serve) -> Result<()> {
    tracing_subscriber::fmt().with_writer(stderr).with_ansi(stderr().is_terminal()).with_target(false).init();
    let service = Arc::new(Service::new(args)?);
    let router = routes::router(Arc::clone(&service));
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let listener = TcpListener::bind(&args.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", args.listen))?;
        let stop = connections::stop_signal()?;
        print(&format!("listening on http://{}\n", listener.local_addr()?))?;
        connections::serve(listener, router, &service.metrics, stop).await;
        Ok(())
    });
    // A job whose client did not get its answer in time is not waited for.
    runtime.shutdown_timeout(Duration::ZERO);
    outcome
}
