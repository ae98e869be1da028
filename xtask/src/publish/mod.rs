//! Publish: what strangers need to trust and deploy the project: licenses, minimal versions, fuzzing, deployment files.

mod deny;
mod deploy;
mod fuzz;
mod minimal_versions;
mod python;

pub(crate) use deny::{check_if_possible as deny_if_possible, run as deny};
pub(crate) use deploy::{check_if_possible as deploy_if_possible, run as deploy};
pub(crate) use fuzz::{Options as FuzzOptions, run as fuzz};
pub(crate) use minimal_versions::run as minimal_versions;
pub(crate) use python::can_make_environments;
