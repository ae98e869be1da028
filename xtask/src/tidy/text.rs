//! Text: rules for single files.

use std::path::Path;

/// Longest source file, in lines.
const MAX_LINES: usize = 500;

/// Whether we wrote this file: code and prose, not data.
pub(super) fn is_ours(path: &str) -> bool {
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str());
    let prose_or_code = matches!(extension, Some("rs" | "c" | "h" | "md" | "toml" | "sh" | "js" | "css"))
        || path.starts_with(".ci/");
    prose_or_code && !path.contains("testdata/")
}

/// The faults in one file.
pub(super) fn check(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let opening = match Path::new(path).extension().and_then(|extension| extension.to_str()) {
        Some("rs") => Some("//!"),
        Some("js") => Some("//"),
        Some("css") => Some("/*"),
        _ => None,
    };
    if let Some(opening) = opening {
        if !text.starts_with(opening) {
            faults.push(format!("{path}: does not open with {opening} and what it holds"));
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            faults.push(format!("{path}: {lines} lines, more than {MAX_LINES}: split it"));
        }
    }
    // Spelled in two parts, or this file would find itself.
    for folder in [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/wo", "rk/"), concat!("/t", "mp/")]
    {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| names_folder(line, folder)) {
            faults.push(format!("{path}:{}: names a path of one machine: {}", number + 1, line.trim()));
        }
    }
    faults
}

/// Whether a line names a folder of the file system's root, rather than the end of a longer path.
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
    fn finds_faults() {
        let check = |path, text: &str, expect: &[&str]| {
            let faults = check(path, text);
            assert_eq!(faults.len(), expect.len(), "{faults:?}");
            for (fault, expect) in faults.iter().zip(expect) {
                assert!(fault.contains(expect), "{fault}");
            }
        };
        check("a.rs", "//! Holds a.\n", &[]);
        check("a.rs", "mod a;\n", &["a.rs: does not open with //!"]);
        check("a.js", "let a;\n", &["a.js: does not open with //"]);
        check("a.css", "/* A. */\n", &[]);
        check("a.md", "# A\n", &[]);
        check("a.rs", &"//!\n".repeat(MAX_LINES), &[]);
        check("a.rs", &"//!\n".repeat(MAX_LINES + 1), &["501 lines"]);
        check("a.md", concat!("x\nsee /t", "mp/x\n"), &["a.md:2: names a path of one machine: see"]);
        check("a.md", concat!("see out/t", "mp/x and $OUT_DIR}/t", "mp/x\n"), &[]);
    }

    #[test]
    fn data_is_left_alone() {
        let check = |path, expect| assert_eq!(is_ours(path), expect, "{path}");
        check("xtask/src/tidy/mod.rs", true);
        check(".ci/run", true);
        check("README.md", true);
        check("btfgen-build/testdata/src/a.c", false);
        check("testdata/kernels/debian/12/x86_64/6.1.0-50-amd64.btf.tar.xz", false);
    }
}
