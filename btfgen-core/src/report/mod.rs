//! Report: what was generated, for which kernels, and which relocations fail on which kernels and why.
//!
//! `data` is the report as values and as JSON, `kernels` describes sets of kernels, `text` is the report for people.

mod data;
mod kernels;
mod text;
mod tsv;

pub use data::{BlobId, KernelReport, ObjectReport, Problem, ProblemId, Report};
