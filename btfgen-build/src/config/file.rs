//! `btfgen.toml`: its entries, and the line and column of a mistake.

use std::path::Path;

use serde::Deserialize;

use btfgen_core::pipeline::{BuildIds, OnFailure};

use super::emit::Emit;
use super::error::ConfigError;

/// The entries of a `btfgen.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Entries {
    pub(super) objects: Vec<String>,
    pub(super) hub: String,
    #[serde(default)]
    pub(super) include: Vec<String>,
    #[serde(default)]
    pub(super) exclude: Vec<String>,
    #[serde(default)]
    pub(super) arch: Vec<String>,
    #[serde(default)]
    pub(super) on_failure: OnFailure,
    #[serde(default)]
    pub(super) build_ids: BuildIds,
    pub(super) level: Option<i32>,
    #[serde(default)]
    pub(super) emit: Emit,
}

/// Parses a configuration's text; `file` is its path.
pub(super) fn parse(text: &str, file: &Path) -> Result<Entries, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let (line, column) = line_and_column(text, error.span().map_or(0, |span| span.start));
        ConfigError::Toml { file: file.to_owned(), line, column, message: error.message().to_owned() }
    })
}

/// Line and column of a byte offset, both from 1, the column in characters.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
