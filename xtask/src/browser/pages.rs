//! Pages: the reports that a browser opens, and what they must show.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::files;
use crate::shell::{self, Outcome};

/// Makes pages with the command.
pub(super) struct Reports {
    pub(super) btfgen: PathBuf,
    pub(super) folder: PathBuf,
}

/// A page, and the same report as JSON and TSV.
pub(super) struct Page {
    pub(super) html: PathBuf,
    pub(super) document: Value,
    pub(super) tsv: String,
}

impl Reports {
    pub(super) fn make(&self, name: &str, objects: &[PathBuf]) -> Outcome<Page> {
        let report = |format: &str| {
            let mut command = Command::new(&self.btfgen);
            command.arg("report").arg("--hub").arg(files::example_hub()).args(["--format", format]);
            command.args(objects);
            command
        };
        let html = self.folder.join(name).with_extension("html");
        shell::run(report("html").arg("--output").arg(&html))?;
        let document = serde_json::from_str(&shell::read(&mut report("json"))?)?;
        Ok(Page { html, document, tsv: shell::read(&mut report("tsv"))? })
    }
}

impl Page {
    pub(super) fn url(&self) -> String {
        format!("file://{}", self.html.display())
    }

    pub(super) fn forecast(&self) -> &Value {
        &self.document["forecast"]
    }

    pub(super) fn kernels(&self) -> impl Iterator<Item = (&str, usize)> {
        let kernels = self.forecast()["kernels"].as_array().into_iter().flatten();
        kernels.map(|kernel| (text(&kernel["id"]), index(&kernel["group"])))
    }

    /// The verdict of a program or object on a group of kernels.
    pub(super) fn verdict(&self, own: &Value, group: usize) -> &str {
        text(&self.forecast()["outcomes"][index(&own["outcomes"][group])]["verdict"])
    }

    /// All objects and programs: object, program (empty for the object), and its part of the document.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        self.forecast()["objects"].as_array().into_iter().flatten().flat_map(|object| {
            let programs = object["programs"].as_array().into_iter().flatten();
            let programs = programs.map(|own| (text(&object["name"]), text(&own["name"]), own));
            std::iter::once((text(&object["name"]), "", object)).chain(programs)
        })
    }

    /// The line of a program on a kernel in the TSV: its verdict and reasons.
    pub(super) fn line(&self, kernel: &str, object: &str, program: &str) -> Outcome<(&str, &str)> {
        let start = format!("{kernel}\t{object}\t{program}\t");
        let line = self.tsv.lines().find_map(|line| line.strip_prefix(&start)?.split_once('\t'));
        line.ok_or_else(|| format!("no line for {start:?}").into())
    }
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn index(value: &Value) -> usize {
    value.as_u64().and_then(|value| usize::try_from(value).ok()).unwrap_or(usize::MAX)
}
