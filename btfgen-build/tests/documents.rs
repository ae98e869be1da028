//! Documents: each `btfgen.toml` that a document shows is one that `Config` reads.

use std::fs;
use std::path::Path;

use btfgen_build::Config;

/// The fenced blocks of TOML in a document, also in a module's documentation comment.
fn toml_blocks(text: &str) -> Vec<String> {
    let lines = text
        .lines()
        .map(|line| line.strip_prefix("//!").map_or(line, |line| line.strip_prefix(' ').unwrap_or(line)));
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in lines {
        match (&mut open, line) {
            (None, "```toml") => open = Some(String::new()),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some(block), line) => *block += &format!("{line}\n"),
            (None, _) => {}
        }
    }
    blocks
}

#[test]
fn each_configuration_in_the_documents_is_valid() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a folder");
    let check = |document: &str, expect: usize| {
        let text = fs::read_to_string(package.join(document)).expect(document);
        let is_configuration = |block: &String| block.contains("objects = ");
        let blocks: Vec<String> = toml_blocks(&text).into_iter().filter(is_configuration).collect();
        assert_eq!(blocks.len(), expect, "{document}");
        for block in blocks {
            let file = folder.path().join("btfgen.toml");
            fs::write(&file, &block).expect("a file");
            if let Err(error) = Config::from_file(&file) {
                panic!("{document}: {error:#}\n{block}");
            }
        }
    };
    check("src/lib.rs", 1);
    // Not in the published package.
    if package.join("../docs").exists() {
        check("../README.md", 1);
        check("../docs/configuration.md", 1);
    }
}

/// Every entry of `btfgen.toml`, from the error for an unknown one.
fn entries() -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("btfgen.toml");
    fs::write(&file, "no-such-entry = 1\n").expect("a file");
    let error = format!("{:#}", Config::from_file(&file).expect_err("an unknown entry"));
    let (_, expected) = error.split_once("expected one of ").expect(&error);
    expected.split(", ").map(|entry| entry.split('`').nth(1).expect(expected).to_owned()).collect()
}

#[test]
fn the_tables_have_each_entry() {
    let entries = entries();
    assert!(entries.len() > 10, "{entries:?}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for document in ["README.md", "docs/configuration.md"] {
        // Not in the published package.
        let Ok(text) = fs::read_to_string(root.join(document)) else { continue };
        let first_cells: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()).collect();
        for entry in &entries {
            let is_named = |cell: &&str| {
                cell.contains(&format!("`{entry}`")) || cell.contains(&format!("`[[{entry}]]`"))
            };
            assert!(first_cells.iter().any(is_named), "{document} has no row for {entry}");
        }
    }
}
