//! Tidy: rules for all source files and documents, checked as a task and as a unit test.

mod imports;
mod layers;
mod text;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::shell::{self, Outcome};

/// Packages whose modules are listed.
const PACKAGES: &[&str] = &["btfgen-runtime", "btfgen-core", "btfgen-build", "btfgen", "xtask"];

/// Runs `cargo xtask tidy`.
pub(crate) fn run() -> Outcome {
    let (files, faults) = check_tree(&shell::root())?;
    if faults.is_empty() {
        eprintln!("tidy: {files} files are in order");
        return Ok(());
    }
    Err(format!("{} faults:\n{}", faults.len(), faults.join("\n")).into())
}

/// The number of files, and the faults in them.
fn check_tree(root: &Path) -> Outcome<(usize, Vec<String>)> {
    let mut files = BTreeMap::new();
    read_folder(root, "", &mut files)?;
    let mut faults: Vec<String> = files.iter().flat_map(|(path, text)| text::check(path, text)).collect();
    let document = files.get(layers::DOCUMENT).map_or("", String::as_str);
    for package in PACKAGES {
        let src = format!("{package}/src");
        let sources: Vec<(&str, &str)> = files
            .iter()
            .filter(|(path, _)| Path::new(path).starts_with(&src) && path.ends_with(".rs"))
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        faults.extend(layers::check(&layers::parse(document, package), &src, &sources));
    }
    Ok((files.len(), faults))
}

/// Reads our own files below `root`/`folder`; the paths are relative to `root`.
fn read_folder(root: &Path, folder: &str, files: &mut BTreeMap<String, String>) -> Outcome {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().display().to_string();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() && name != "target" && name != ".git" {
            read_folder(root, &path, files)?;
        } else if kind.is_file() && text::is_ours(&path) {
            let text = fs::read_to_string(entry.path()).map_err(|error| format!("{path}: {error}"))?;
            files.insert(path, text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        let (files, faults) = check_tree(&shell::root()).unwrap();
        assert!(files > 10, "only {files} files looked at");
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}
