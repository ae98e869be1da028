//! `btfgen.toml`: its entries, and the line and column of a mistake.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use btfgen_core::forecast::{GateError, Unknown, program_glob};
use btfgen_core::hub::KernelGlob;
use btfgen_core::pipeline::{BuildIds, OnFailure};

use super::emit::Emit;
use super::error::ConfigError;
use super::report_form::ReportForm;

/// The entries of a `btfgen.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Entries {
    pub(super) objects: Vec<String>,
    pub(super) hub: String,
    #[serde(default)]
    pub(super) include: Vec<Glob>,
    #[serde(default)]
    pub(super) exclude: Vec<Glob>,
    #[serde(default)]
    pub(super) arch: Vec<String>,
    #[serde(default)]
    pub(super) on_failure: OnFailure,
    #[serde(default)]
    pub(super) require: Vec<Require>,
    #[serde(default)]
    pub(super) unknown: Unknown,
    #[serde(default)]
    pub(super) optional: Vec<Glob>,
    #[serde(default)]
    pub(super) targets: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) build_ids: BuildIds,
    pub(super) level: Option<i32>,
    #[serde(default)]
    pub(super) emit: Emit,
    pub(super) report: Option<ReportForm>,
}

/// An entry of `[[require]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Require {
    pub(super) kernels: Spanned<Vec<Glob>>,
    #[serde(default)]
    pub(super) programs: Vec<Glob>,
}

/// The text of a glob, and where it is.
pub(super) type Glob = Spanned<String>;

/// Parses a configuration's text; `file` is its path.
pub(super) fn parse(text: &str, file: &Path) -> Result<Entries, ConfigError> {
    let mistake = |span: Option<Range<usize>>, message: String| {
        let (line, column) = line_and_column(text, span.map_or(0, |span| span.start));
        ConfigError::Toml { file: file.to_owned(), line, column, message }
    };
    let entries: Entries =
        toml::from_str(text).map_err(|error| mistake(error.span(), in_words_of_toml(error.message())))?;
    let Entries { require, include, exclude, optional, .. } = &entries;
    if let Some(empty) = require.iter().find(|require| require.kernels.get_ref().is_empty()) {
        return Err(mistake(Some(empty.kernels.span()), GateError::NoKernels.to_string()));
    }
    let kernels = require.iter().flat_map(|require| require.kernels.get_ref()).chain(include).chain(exclude);
    for glob in kernels {
        KernelGlob::new(glob.get_ref()).map_err(|error| mistake(Some(glob.span()), error.to_string()))?;
    }
    for glob in require.iter().flat_map(|require| &require.programs).chain(optional) {
        program_glob(glob.get_ref()).map_err(|error| mistake(Some(glob.span()), error.to_string()))?;
    }
    Ok(entries)
}

/// An error of serde, which calls a list a sequence and a table a map.
fn in_words_of_toml(message: &str) -> String {
    let message = message.replace("expected a sequence", "expected a list, such as [\"...\"] or [[require]]");
    message.replace("expected a map", "expected a table").replace("invalid type: map", "invalid type: table")
}

/// Line and column of a byte offset, both from 1, the column in characters.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
