//! In which form the report is written to the output folder.

/// In which form the report is written to the output folder.
///
/// [`Config`](crate::Config) has an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ReportForm {
    /// `btfgen-report.html`: one page for a browser. Needs feature `html`.
    Html,
}
