//! Text: the report for people, and its summary.

use std::fmt;

use super::Count;
use super::by_kernel::by_kernel;
use super::causes::Extent;
use super::data::{ObjectReport, Problem, Report};
use super::overview::overview;
use crate::forecast::Verdict;

/// What the report for people shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Everything, summarized on a screen.
    Overview,
    /// Programs with all their reasons, by kernels.
    Programs,
    /// Kernels with all reasons of each program; with those of the objects as a whole, or without.
    Kernels {
        /// Whether the objects as a whole are shown.
        with_objects: bool,
    },
}

impl Report {
    /// The report for people.
    pub fn text(&self, view: View) -> String {
        let mut lines = match view {
            View::Overview => overview(&self.forecast, Extent::Screen),
            View::Programs => overview(&self.forecast, Extent::Programs),
            View::Kernels { with_objects } => by_kernel(&self.forecast, with_objects),
        };
        if view == View::Overview {
            lines.push(String::new());
            for object in &self.objects {
                lines.extend(
                    object.target_type_id_remark().map(|remark| format!("{}: {remark}", object.name)),
                );
            }
            lines.extend(self.unused_excludes.iter().map(|glob| unused_exclude(glob)));
            lines.extend(self.hub_notes.iter().map(|note| format!("in the hub: {note}")));
            lines.push(self.to_string());
        }
        lines.join("\n") + "\n"
    }
}

pub(super) fn unused_exclude(glob: &str) -> String {
    format!("exclude {glob:?} matches no kernel")
}

impl ObjectReport {
    /// A remark on relocations that read a target type id.
    pub(super) fn target_type_id_remark(&self) -> Option<String> {
        let count = self.target_type_ids;
        let read = if count == 1 { "reads" } else { "read" };
        (count > 0).then(|| {
            let count = Count(count, "relocation");
            format!("{count} {read} a target type id; with an embedded BTF it is not the kernel's id")
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable { reason } => f.write_str(reason),
            Self::Relocation { object, program, relocation, spec, line, text, reason } => {
                write!(f, "{object}: {program}: {relocation}: {spec}")?;
                if let Some(line) = line {
                    write!(f, " at {line}")?;
                }
                if let Some(text) = text.as_ref().filter(|text| !text.is_empty()) {
                    write!(f, " `{text}`")?;
                }
                write!(f, ": {reason}")
            }
        }
    }
}

impl fmt::Display for Report {
    /// The summary in one line: for how many kernels BTF is embedded, and on how many the objects run.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} with {}; embedded for {} of {}: {} of {} bytes",
            Count(self.objects.len(), "object"),
            Count(self.relocations(), "relocation"),
            self.embedded(),
            Count(self.kernels.len(), "kernel"),
            Count(self.blobs, "distinct BTF"),
            self.blob_bytes,
        )?;
        if self.archive_bytes > 0 {
            write!(f, ", archive of {} bytes", self.archive_bytes)?;
        }
        let verdicts = self.forecast.verdicts();
        let counts = Verdict::ALL.map(|verdict| {
            let count = verdicts.iter().filter(|own| **own == verdict).count();
            format!("{verdict} on {count}")
        });
        if verdicts.is_empty() { Ok(()) } else { write!(f, "; {}", counts.join(", ")) }
    }
}
