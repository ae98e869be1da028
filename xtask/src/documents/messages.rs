//! Messages: whether the messages of btfgen that `docs/troubleshooting.md` explains are still in its source code.

use std::fs;
use std::path::Path;

use crate::shell::{self, Outcome};

/// Packages with messages for users.
const PACKAGES: [&str; 4] = ["btfgen", "btfgen-build", "btfgen-core", "btfgen-runtime"];

/// The heading below which messages are btfgen's own.
const OWN: &str = "\n## Messages of btfgen\n";

/// The text of all sources, without the line breaks and escapes of string literals.
fn sources() -> Outcome<String> {
    let mut text = String::new();
    for package in PACKAGES {
        read_folder(&shell::root().join(package).join("src"), &mut text)?;
    }
    let mut joined = String::new();
    let mut parts = text.split("\\\n");
    joined.push_str(parts.next().unwrap_or_default());
    parts.for_each(|part| joined.push_str(part.trim_start()));
    Ok(joined.replace("\\\"", "\""))
}

fn read_folder(folder: &Path, text: &mut String) -> Outcome {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_folder(&path, text)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(path)?);
        }
    }
    Ok(())
}

/// The messages in headings, such as "### `no hub file at ...`", each as the parts around its `...`.
fn messages(document: &str) -> Vec<Vec<&str>> {
    let own = document.split_once(OWN).map_or("", |(_, own)| own);
    let own = own.split("\n## ").next().unwrap_or_default();
    own.lines().filter_map(parts).collect()
}

fn parts(heading: &str) -> Option<Vec<&str>> {
    let text = heading.strip_prefix("### `")?.strip_suffix('`')?;
    Some(text.split("...").map(str::trim).filter(|part| !part.is_empty()).collect())
}

#[test]
fn troubleshooting_quotes_messages_that_exist() {
    let document = fs::read_to_string(shell::root().join("docs/troubleshooting.md")).unwrap();
    let (messages, sources) = (messages(&document), sources().unwrap());
    assert!(messages.len() > 10, "only {} messages", messages.len());
    for part in messages.iter().flatten() {
        assert!(sources.contains(part), "no source has {part:?}");
    }
}
