//! Service: the hub in memory, and what is known from the start.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use axum::body::Bytes;
use btfgen_core::KernelId;
use btfgen_core::hub::Near;
use btfgen_core::hub::file::HubFile;
use btfgen_core::pipeline::{Hub, read_objects};
use btfgen_runtime::BuildId;
use tokio::sync::Semaphore;

use super::jobs::Jobs;
use super::metrics::Metrics;
use super::parameters::Parameters;
use super::preloaded::Preloaded;
use super::problem::Problem;
use super::upload::Limits;
use crate::{args, hub, output};

/// What all requests share.
pub(super) struct Service {
    hub: Hub,
    /// As `btfgen hub list --json` prints it.
    pub(super) kernels: Bytes,
    pub(super) preloaded: Preloaded,
    pub(super) jobs: Jobs,
    pub(super) limits: Limits,
    pub(super) metrics: Arc<Metrics>,
}

impl Service {
    pub(super) fn new(args: &args::Serve) -> Result<Self> {
        let path = args.hub.display();
        ensure!(
            !args.hub.is_dir(),
            "{path} is a folder; make a hub file with \"btfgen vendor {path} -o FILE\""
        );
        ensure!(
            args.max_bodies >= 2 * args.max_body,
            "--max-bodies {} is less than twice --max-body {}: a form is in memory twice while it is read",
            args.max_bodies,
            args.max_body
        );
        let hub = Hub::open(&args.hub, true)?;
        let lines = hub.file().map(hub::lines).transpose()?.unwrap_or_default();
        let preloaded = Preloaded::new(read_objects(&args.objects)?, &hub)?;
        Ok(Self {
            hub,
            kernels: output::to_json(&lines)?.into(),
            preloaded,
            jobs: Jobs::new(args.jobs, args.queue.into(), Duration::from_secs(args.timeout)),
            limits: Limits {
                body_bytes: (args.max_body as usize) << 20,
                held_kibibytes: Arc::new(Semaphore::new((args.max_bodies as usize) << 10)),
            },
            metrics: Arc::new(Metrics::new(lines.len())),
        })
    }

    pub(super) fn hub(&self) -> &Hub {
        &self.hub
    }

    pub(super) fn hub_file(&self) -> Result<&HubFile, Problem> {
        self.hub.file().ok_or_else(|| Problem::bug("the hub is a folder"))
    }

    /// The kernel with that id.
    pub(super) fn kernel(&self, id: &str) -> Result<KernelId, Problem> {
        let file = self.hub_file()?;
        let kernel: KernelId = id.parse().map_err(Problem::parameter)?;
        if file.find(&kernel).is_some() {
            return Ok(kernel);
        }
        let ids: Vec<&KernelId> = file.kernels().iter().map(|record| &record.id).collect();
        Err(Problem::not_found(format!("no kernel {kernel}; {}", Near::to(id, &ids))))
    }

    /// The kernel that the parameters `kernel` and `build_id` name.
    pub(super) fn named_kernel(&self, parameters: &Parameters) -> Result<KernelId, Problem> {
        match (parameters.one("kernel")?, parameters.one_parsed("build_id")?) {
            (Some(id), build_id) => self.kernel_or_build(id, build_id),
            (None, Some(build_id)) => {
                let kernel = self.kernel_of_build(build_id)?;
                kernel.ok_or_else(|| Problem::not_found(format!("no kernel with build id {build_id}")))
            }
            (None, None) => {
                let problem = Problem::parameter("one of the parameters kernel and build_id is needed");
                Err(problem.hint("kernel ids are listed by GET /api/v1/kernels"))
            }
        }
    }

    /// The kernel with that build id, or else with that id, unless it is known to be another build.
    pub(super) fn kernel_or_build(&self, id: &str, build_id: Option<BuildId>) -> Result<KernelId, Problem> {
        let Some(build_id) = build_id else { return self.kernel(id) };
        if let Some(kernel) = self.kernel_of_build(build_id)? {
            return Ok(kernel);
        }
        let kernel = self.kernel(id)?;
        let file = self.hub_file()?;
        match file.find(&kernel).and_then(|index| file.kernels()[index].build_id) {
            None => Ok(kernel),
            Some(other) => {
                Err(Problem::not_found(format!("kernel {kernel} has build id {other}, not {build_id}")))
            }
        }
    }

    fn kernel_of_build(&self, build_id: BuildId) -> Result<Option<KernelId>, Problem> {
        let mut kernels = self.hub_file()?.kernels().iter();
        Ok(kernels.find(|record| record.build_id == Some(build_id)).map(|record| record.id.clone()))
    }
}
