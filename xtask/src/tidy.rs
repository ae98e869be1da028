//! Tidy: what every source file must keep to, run as a task and as a unit test.

use std::fs;
use std::path::Path;

use crate::shell::{self, Outcome};

/// Longest source file, in lines.
const MAX_LINES: usize = 500;

/// `cargo xtask tidy`.
pub(crate) fn run(_args: &[String]) -> Outcome {
    let (files, faults) = check_tree(&shell::root())?;
    if faults.is_empty() {
        eprintln!("tidy: {files} files are in order");
        return Ok(());
    }
    Err(faults.join("\n").into())
}

/// Number of files looked at, and what is wrong with them.
fn check_tree(root: &Path) -> Outcome<(usize, Vec<String>)> {
    let mut paths = Vec::new();
    collect(root, "", &mut paths)?;
    paths.sort();
    let mut faults = Vec::new();
    for path in &paths {
        match String::from_utf8(fs::read(root.join(path))?) {
            Ok(text) => faults.extend(check_text(path, &text)),
            Err(_) => faults.push(format!("{path}: is not UTF-8")),
        }
    }
    Ok((paths.len(), faults))
}

/// Adds the paths of our own files under `root`/`folder`, relative to `root`.
fn collect(root: &Path, folder: &str, paths: &mut Vec<String>) -> Outcome {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().display().to_string();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() && name != "target" && name != ".git" {
            collect(root, &path, paths)?;
        } else if kind.is_file() && is_ours(&path) {
            paths.push(path);
        }
    }
    Ok(())
}

/// Whether we wrote this file: code and prose, not data.
fn is_ours(path: &str) -> bool {
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str());
    let prose_or_code =
        matches!(extension, Some("rs" | "c" | "h" | "md" | "toml" | "sh")) || path.starts_with(".ci/");
    prose_or_code && !path.contains("testdata/")
}

fn check_text(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if path.ends_with(".rs") {
        if !text.starts_with("//!") {
            faults.push(format!("{path}: does not open with //! saying what it holds"));
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            faults.push(format!("{path}: {lines} lines, more than {MAX_LINES}"));
        }
    }
    // Spelled in two parts, or this file would find itself.
    for folder in [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/wo", "rk/"), concat!("/t", "mp/")]
    {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| names_folder(line, folder)) {
            faults.push(format!("{path}:{}: a path of one machine: {}", number + 1, line.trim()));
        }
    }
    faults
}

/// Whether a line names a folder of the file system's root, and not the end of some longer path.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        line[..at]
            .chars()
            .next_back()
            .is_none_or(|before| !before.is_alphanumeric() && !"./}_-".contains(before))
    })
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
    fn finds_faults() {
        let check = |path, text: &str, expect: &[&str]| {
            let faults = check_text(path, text);
            assert_eq!(faults.len(), expect.len(), "{faults:?}");
            for (fault, expect) in faults.iter().zip(expect) {
                assert!(fault.contains(expect), "{fault}");
            }
        };
        check("a.rs", "//! Holds a.\n", &[]);
        check("a.rs", "mod a;\n", &["a.rs: does not open with //!"]);
        check("a.md", "# A\n", &[]);
        check("a.rs", &"//!\n".repeat(MAX_LINES), &[]);
        check("a.rs", &"//!\n".repeat(MAX_LINES + 1), &["501 lines"]);
        check("a.md", concat!("x\nsee /t", "mp/x\n"), &["a.md:2: a path of one machine: see"]);
        check("a.md", concat!("see out/t", "mp/x and $OUT_DIR}/t", "mp/x\n"), &[]);
    }

    #[test]
    fn data_is_left_alone() {
        let check = |path, expect| assert_eq!(is_ours(path), expect, "{path}");
        check("xtask/src/tidy.rs", true);
        check(".ci/run", true);
        check("README.md", true);
        check("btfgen-build/testdata/src/a.c", false);
        check("testdata/kernels/debian/12/x86_64/6.1.0-50-amd64.btf.tar.xz", false);
    }
}
