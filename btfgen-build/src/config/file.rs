//! `btfgen.toml`: its entries, and the line and column of a mistake.

use std::path::PathBuf;

use serde::Deserialize;

use btfgen_core::pipeline::OnFailure;

use super::{Config, ConfigError, Emit, PathText};

/// The entries of a `btfgen.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Entries {
    objects: Vec<String>,
    hub: String,
    #[serde(default)]
    include: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    arch: Vec<String>,
    #[serde(default)]
    on_failure: OnFailure,
    level: Option<i32>,
    #[serde(default)]
    emit: Emit,
}

/// Reads a configuration's file.
pub(super) fn read(path: PathBuf) -> Result<Config, ConfigError> {
    let text = btfgen_core::files::read_to_string(&path).map_err(ConfigError::Read)?;
    parse(&text, path)
}

/// Parses a configuration's text; `file` is its path.
pub(super) fn parse(text: &str, file: PathBuf) -> Result<Config, ConfigError> {
    let entries: Entries = match toml::from_str(text) {
        Ok(entries) => entries,
        Err(error) => {
            let (line, column) = line_and_column(text, error.span().map_or(0, |span| span.start));
            return Err(ConfigError::Toml { file, line, column, message: error.message().to_owned() });
        }
    };
    Ok(Config {
        base: Some(file.parent().map(PathBuf::from).unwrap_or_default()),
        file: Some(file),
        objects: entries.objects.into_iter().map(PathText::Text).collect(),
        hub: Some(PathText::Text(entries.hub)),
        include: entries.include,
        exclude: entries.exclude,
        arch: entries.arch,
        on_failure: entries.on_failure,
        level: entries.level,
        emit: entries.emit,
        ..Config::default()
    })
}

/// Line and column of a byte offset, both from 1, the column in characters.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
