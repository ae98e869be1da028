//! Documents: runs the commands of README.md and `docs/` as a reader would, and compares their output.
//!
//! Every block ` ```console ` is run: `$` is the prompt of a user, `#` of root. Output below a command is compared; `...` on a line of its
//! own matches any lines, within a line any text. A document is one session of a shell, in an empty folder with links to the repository's
//! `testdata` and `example-app`. One with commands of root is skipped where the kernel's BTF cannot be hidden. Comments say more:
//!
//! - `<!-- file: NAME -->`: the next block is the content of this file.
//! - `<!-- run: COMMAND -->`: runs a command that readers do not see.
//! - `<!-- fails -->`: the commands of the next block must fail; all others must succeed.
//! - `<!-- not run: REASON -->`: the next block is not run.

mod compare;
#[cfg(test)]
mod messages;
mod parse;
mod session;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::shell::{self, Outcome, cargo};
use crate::{demo, engine};
use parse::Step;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only these documents, such as README.md
    #[arg(value_name = "FILE")]
    files: Vec<String>,
}

/// Runs `cargo xtask docs`.
pub(crate) fn run(options: &Options) -> Outcome {
    let documents = documents()?;
    if let Some(unknown) = options.files.iter().find(|file| !documents.contains_key(*file)) {
        return Err(format!("{unknown} is not one of the documents").into());
    }
    let obstacle = demo::obstacle_to_hiding();
    let built = shell::build(cargo().arg("build").args(engine::BTFGEN))?;
    let btfgen = built.named("btfgen")?;
    let mut faults = Vec::new();
    for (file, text) in &documents {
        let steps = parse::parse(text).map_err(|fault| format!("{file}:{fault}"))?;
        let mut commands = steps.iter().filter_map(Step::as_command).peekable();
        if commands.peek().is_none() || !(options.files.is_empty() || options.files.contains(file)) {
            continue;
        }
        if let Some(obstacle) = obstacle.as_ref().filter(|_| commands.any(|command| command.as_root)) {
            eprintln!("docs: {file} skipped: {obstacle}");
            continue;
        }
        eprintln!("docs: {file}");
        let found = session::run(&steps, btfgen)?;
        faults.extend(found.into_iter().map(|fault| format!("{file}:{fault}")));
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(format!("{} faults:\n{}", faults.len(), faults.join("\n")).into())
    }
}

/// The step of `cargo xtask test`: all documents.
pub(crate) fn run_all() -> Outcome {
    run(&Options { files: Vec::new() })
}

/// The text of each document by its path.
fn documents() -> Outcome<BTreeMap<String, String>> {
    let mut documents = BTreeMap::new();
    for folder in ["", "docs", "docs/tutorials"] {
        for entry in fs::read_dir(shell::root().join(folder))? {
            let path = Path::new(folder).join(entry?.file_name());
            if path.extension().is_some_and(|extension| extension == "md") {
                documents.insert(path.display().to_string(), fs::read_to_string(shell::root().join(&path))?);
            }
        }
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_documents_can_be_parsed() {
        let documents = documents().unwrap();
        assert!(documents.contains_key("README.md") && documents.contains_key("docs/vendoring.md"));
        for (file, text) in documents {
            parse::parse(&text).unwrap_or_else(|fault| panic!("{file}:{fault}"));
        }
    }

    #[test]
    fn links_lead_to_files() {
        for (file, text) in documents().unwrap() {
            let folder = shell::root().join(Path::new(&file).parent().unwrap());
            for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
                let is_file = !link.is_empty() && !link.contains("://");
                assert!(!is_file || folder.join(link).exists(), "{file}: no file {link}");
            }
        }
    }
}
