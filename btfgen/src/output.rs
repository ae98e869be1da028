//! Output: text, JSON and tables on standard output, progress and counts for people.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::Result;
use btfgen_core::KernelId;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// Prints text. A reader that stops early, such as `head`, is not an error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// Prints a value as JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    print(&to_json(value)?)
}

/// A value as JSON for people and machines.
pub(crate) fn to_json(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// Prints names and values in two columns.
pub(crate) fn print_table(rows: impl IntoIterator<Item = (String, String)>) -> Result<()> {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.add_rows(rows.into_iter().map(|(name, value)| [name, value]));
    for (column, alignment) in table.column_iter_mut().zip([CellAlignment::Left, CellAlignment::Right]) {
        column.set_padding((0, 2));
        column.set_cell_alignment(alignment);
    }
    print(&(table.trim_fmt() + "\n"))
}

/// A progress bar over kernels, which shows on a terminal only.
pub(crate) fn progress_bar(action: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {bar:40} {pos}/{len} kernels, {eta} left");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style).with_prefix(action)
}

/// A number with its noun: `1 kernel`, `2 kernels`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Numbers of kernels by `<distro>/<version>/<arch>`.
pub(crate) fn kernels_by_folder(kernels: impl Iterator<Item = KernelId>) -> BTreeMap<String, usize> {
    let mut folders = BTreeMap::new();
    for id in kernels {
        *folders.entry(format!("{}/{}/{}", id.distro(), id.version(), id.arch())).or_default() += 1;
    }
    folders
}
