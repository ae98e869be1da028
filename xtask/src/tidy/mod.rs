//! Tidy: rules for all source files and documents, checked as a task and as a unit test.

mod imports;
mod layers;
mod text;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::shell::{self, Outcome};

/// Packages whose modules must be listed; others may be.
const LISTED: &[&str] = &["btfgen-runtime", "btfgen-core", "btfgen-build", "btfgen", "xtask"];

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
    let (mut files, mut faults) = (BTreeMap::new(), Vec::new());
    read_folder(root, "", &mut files, &mut faults)?;
    for (path, text) in &files {
        faults.extend(text::check(path, text));
    }
    faults.extend(text::files_beside_folders(files.keys().map(String::as_str)));
    faults.extend(check_layers(&files));
    Ok((files.len(), faults))
}

/// Reads our own files below `root`/`folder`; the paths are relative to `root`.
fn read_folder(
    root: &Path,
    folder: &str,
    files: &mut BTreeMap<String, String>,
    faults: &mut Vec<String>,
) -> Outcome {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().display().to_string();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() && name != "target" && name != ".git" {
            read_folder(root, &path, files, faults)?;
        } else if kind.is_file() && text::is_ours(&path) {
            match String::from_utf8(fs::read(entry.path())?) {
                Ok(text) => _ = files.insert(path, text),
                Err(_) => faults.push(format!("{path}: is not UTF-8")),
            }
        }
    }
    Ok(())
}

/// Compares the listed packages with the document.
fn check_layers(files: &BTreeMap<String, String>) -> Vec<String> {
    let document = files.get(layers::DOCUMENT).map(String::as_str).unwrap_or_default();
    let (packages, mut faults) = layers::parse(document);
    for package in LISTED.iter().filter(|package| !packages.contains_key(**package)) {
        faults.push(format!("{}: no list of the modules of {package}", layers::DOCUMENT));
    }
    for (package, layers) in &packages {
        let src = format!("{package}/src");
        let folder = format!("{src}/");
        let sources: Vec<(&str, &str)> = files
            .iter()
            .filter(|(path, _)| path.starts_with(&folder) && path.ends_with(".rs"))
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        faults.extend(layers::check(layers, &src, &sources));
    }
    faults
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

    #[test]
    fn released_packages_must_be_listed() {
        let faults = check_layers(&BTreeMap::new());
        assert_eq!(faults.len(), LISTED.len(), "{faults:?}");
        assert!(faults[0].contains("no list of the modules of"), "{faults:?}");
    }
}
