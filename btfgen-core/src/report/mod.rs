//! Report: what was generated, for which kernels, and which relocations fail on which kernels and why.
//!
//! `data` is the report as values and as JSON, `kernels` describes sets of kernels, `broken` what does not run on them, `text` is the
//! report for people, `warnings` are a build's.

mod broken;
mod data;
mod kernels;
mod text;
mod tsv;
mod warnings;

pub use broken::describe_broken;
pub use data::{BlobId, KernelReport, ObjectReport, Problem, ProblemId, Report};
