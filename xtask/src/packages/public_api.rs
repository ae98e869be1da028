//! Public API: the listings of what users can name, `public-api.txt` of each library, so that a change of it is seen.

use std::fs;
use std::path::{Path, PathBuf};

use public_api::Builder;

use super::examples;
use crate::shell::{self, Outcome, cargo};

const LIBRARIES: [&str; 2] = ["btfgen-build", "btfgen-runtime"];

/// Compares the listings with the code, or writes them.
pub(super) fn run(bless: bool) -> Outcome {
    for library in LIBRARIES {
        let file = shell::root().join(library).join("public-api.txt");
        let json = rustdoc_json(library)?;
        let actual = match items(&json) {
            Ok(items) => items,
            // Its form changes between compilers.
            Err(error) if !bless => {
                eprintln!(
                    "{library}: public API not compared: the JSON of this compiler's rustdoc cannot be read: {error}"
                );
                continue;
            }
            Err(error) => return Err(error),
        };
        if bless {
            fs::write(&file, actual)?;
            continue;
        }
        let committed = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let changes = changes(&committed, &actual);
        if !changes.is_empty() {
            return Err(format!(
                "{library}: the public API is not the one of public-api.txt; if that is intended, run `cargo xtask packages --bless`:\n{}",
                changes.join("\n")
            )
            .into());
        }
        let (items, missing) = examples::check(&serde_json::from_slice(&fs::read(&json)?)?);
        if !missing.is_empty() {
            return Err(format!(
                "{library}: public items in no example of the documentation: {}",
                missing.join(", ")
            )
            .into());
        }
        println!("{library}: {} lines of public API; {items} items, all in examples", actual.lines().count());
    }
    Ok(())
}

/// Writes what rustdoc knows of a library with all features.
fn rustdoc_json(library: &str) -> Outcome<PathBuf> {
    let target = shell::root().join("target/public-api");
    let mut command = cargo();
    command
        .args(["rustdoc", "--quiet", "--package", library, "--lib", "--all-features", "--target-dir"])
        .arg(&target);
    command.args(["--", "-Zunstable-options", "--output-format", "json"]);
    // The JSON form of rustdoc is not stable; this lets the installed compiler write it.
    shell::run(command.env("RUSTC_BOOTSTRAP", "1"))?;
    Ok(target.join("doc").join(library.replace('-', "_")).with_extension("json"))
}

/// The public items, a line each.
fn items(json: &Path) -> Outcome<String> {
    let api = Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()?;
    Ok(api.to_string())
}

/// The lines that are in one listing only.
fn changes(committed: &str, actual: &str) -> Vec<String> {
    let missing = |text: &str, from: &str, sign: char| -> Vec<String> {
        text.lines()
            .filter(|line| !from.lines().any(|other| other == *line))
            .map(|line| format!("{sign}{line}"))
            .collect()
    };
    [missing(committed, actual, '-'), missing(actual, committed, '+')].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_changed() {
        let check =
            |committed: &str, actual: &str, expect: &[&str]| assert_eq!(changes(committed, actual), expect);
        check("a\nb\n", "a\nb\n", &[]);
        check("a\nb\n", "a\nc\n", &["-b", "+c"]);
        check("", "a\n", &["+a"]);
    }
}
