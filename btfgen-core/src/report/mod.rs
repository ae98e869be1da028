//! Report: whether each program runs on each kernel and why not, and what was embedded.
//!
//! `data` is the report as values. `causes` groups the forecast's reasons, `overview` and `by_kernel` print them, `text` is the report for
//! people, `tsv` and `document` are for machines. `baseline` compares a forecast with an earlier one, `broken` describes what a gate
//! finds. `warnings` are a build's, `kernels` are those that have a problem, `groups` those with the same outcomes. `page` is the report as HTML.

mod baseline;
mod broken;
mod by_kernel;
mod causes;
mod data;
mod document;
mod groups;
mod kernels;
mod overview;
#[cfg(feature = "html")]
pub mod page;
mod text;
mod tsv;
mod warnings;

use std::fmt;

pub use baseline::{Baseline, BaselineError, Changes, DocumentVersion};
pub use broken::describe_broken;
pub use data::{BlobId, KernelReport, ObjectReport, Problem, ProblemId, Report};
pub use document::Document;
pub use text::View;

/// A count with its noun.
struct Count(usize, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, noun) = self;
        write!(f, "{count} {noun}{}", if *count == 1 { "" } else { "s" })
    }
}
