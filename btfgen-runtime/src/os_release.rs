//! os-release: the file that names a root file system's distribution, as os-release(5) quotes it.

use crate::text::{trim, until};

/// The assignments of an os-release file, the last of each name.
///
/// ```
/// let os = btfgen_runtime::OsRelease::parse("ID=\"centos\"\nVERSION_ID='7'\n# a comment\n");
/// assert_eq!((os.get("ID"), os.get("VERSION_ID"), os.get("ID_LIKE")), (Some("centos"), Some("7"), None));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OsRelease {
    /// Lines of a name, `=` and the unquoted value.
    assignments: String,
}

/// Longest file that is read, in bytes; the rest is ignored.
pub(crate) const MAX_LEN: usize = 64 << 10;

impl OsRelease {
    /// Reads the assignments; a line that is none is skipped, as a shell's error in one line hides no other.
    #[inline(never)]
    pub fn parse(text: &str) -> Self {
        let mut assignments = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rest = text.get(..MAX_LEN).unwrap_or(text);
        while !rest.is_empty() {
            let line = until(rest, b'\n');
            rest = rest.get(line.len() + 1..).unwrap_or_default();
            let kept = assignments.len();
            if unquote(trim(line), &mut assignments).is_none() {
                assignments.truncate(kept);
            }
        }
        Self { assignments: String::from_utf8(assignments).unwrap_or_default() }
    }

    /// The value of a name; `None` when it is missing or empty.
    #[inline(never)]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut found = None;
        let mut rest = self.assignments.as_str();
        while !rest.is_empty() {
            let line = until(rest, b'\n');
            rest = rest.get(line.len() + 1..).unwrap_or_default();
            if until(line, b'=') == name {
                found = line.get(name.len() + 1..);
            }
        }
        found.filter(|value| !value.is_empty())
    }
}

/// Appends an assignment, its value a shell word without its quotes: a backslash keeps the next character.
///
/// `None` when the line is no assignment or a quote stays open. Bytes are enough: all that matters is ASCII.
fn unquote(line: &str, out: &mut Vec<u8>) -> Option<()> {
    let name = until(line, b'=');
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return None;
    }
    let mut bytes = line.bytes().skip(name.len() + 1);
    if name.len() == line.len() {
        return None;
    }
    out.extend_from_slice(name.as_bytes());
    let mut quote = 0;
    let mut next = Some(b'=');
    while let Some(byte) = next {
        out.push(byte);
        next = loop {
            let byte = bytes.next();
            match (quote, byte) {
                (0, Some(b'"' | b'\'')) => quote = byte.unwrap_or_default(),
                (0, Some(b' ' | b'\t' | b'#')) => break None,
                (0, Some(b'\\')) => break Some(bytes.next()?),
                (b'"', Some(b'\\')) => {
                    // A backslash before any other character stays.
                    let rest = bytes.clone().next()?;
                    break if b"\"$`\\".contains(&rest) { bytes.next() } else { byte };
                }
                (open, Some(close)) if open == close => quote = 0,
                (_, byte) => break byte,
            }
        };
    }
    out.push(b'\n');
    (quote == 0).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_the_shells_quoting() {
        let check = |line: &str, expect: Option<&str>| {
            assert_eq!(OsRelease::parse(line).get("K"), expect, "{line:?}");
        };
        check("K=7", Some("7"));
        check("K=\"7\"", Some("7"));
        check("K='18.04'", Some("18.04"));
        check("  K=7  ", Some("7"));
        check("K=7\r\n", Some("7"));
        check("\u{feff}K=7", Some("7"));
        check("K=1\nK=2", Some("2"));
        check("K=\"a\\\"b\\$c\\x\"", Some("a\"b$c\\x"));
        check("K='a\\b'", Some("a\\b"));
        check("K=a\\ b", Some("a b"));
        check("K=\"a\"'b'c", Some("abc"));
        check("K=a=b", Some("a=b"));
        check("K=\"a # b\" # c", Some("a # b"));
        check("K=", None);
        check("K=\"\"", None);
        check("K=\"open", None);
        check("K=a\\", None);
        check("#K=7", None);
        check("K 7", None);
        check("=7", None);
        check("X-K=7\nK.=8", None);
        check("", None);
    }

    #[test]
    fn a_broken_line_hides_no_other() {
        let os = OsRelease::parse("NAME=\"never closed\nID=debian\n\0\0=\nVERSION_ID=\"10\"");
        assert_eq!((os.get("NAME"), os.get("ID"), os.get("VERSION_ID")), (None, Some("debian"), Some("10")));
    }

    #[test]
    fn only_the_beginning_of_a_huge_file_is_read() {
        let os = OsRelease::parse(&format!("ID=a\n{}ID=b", "#\n".repeat(MAX_LEN)));
        assert_eq!(os.get("ID"), Some("a"));
    }
}
