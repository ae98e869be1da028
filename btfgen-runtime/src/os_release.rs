//! os-release: the file that names a root file system's distribution, as os-release(5) quotes it.

/// The assignments of an os-release file, the last of each name.
///
/// ```
/// let os = btfgen_runtime::OsRelease::parse("ID=\"centos\"\nVERSION_ID='7'\n# a comment\n");
/// assert_eq!((os.get("ID"), os.get("VERSION_ID"), os.get("ID_LIKE")), (Some("centos"), Some("7"), None));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OsRelease {
    assignments: Vec<(String, String)>,
}

/// Longest file that is read, in bytes; the rest is ignored.
pub(crate) const MAX_LEN: usize = 64 << 10;

impl OsRelease {
    /// Reads the assignments; a line that is none is skipped, as a shell's error in one line hides no other.
    pub fn parse(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let text = text.get(..MAX_LEN).unwrap_or(text);
        Self { assignments: text.lines().filter_map(assignment).collect() }
    }

    /// The value of a name; `None` when it is missing or empty.
    #[inline(never)]
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.assignments.iter().rev().find(|(key, _)| key == name)?;
        (!value.is_empty()).then_some(value)
    }
}

#[inline(never)]
fn assignment(line: &str) -> Option<(String, String)> {
    let (name, value) = line.trim().split_once('=')?;
    let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    named.then(|| Some((name.to_owned(), unquote(value)?))).flatten()
}

/// A shell word's value: quotes are removed, a backslash keeps the next character; `None` when a quote stays open.
fn unquote(word: &str) -> Option<String> {
    let mut value = String::with_capacity(word.len());
    let mut quote = None;
    let mut characters = word.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if c == open => quote = None,
            (None, ' ' | '\t' | '#') => break,
            (None | Some('"'), '\\') => match characters.next()? {
                escaped @ ('"' | '$' | '`' | '\\' | '\'') => value.push(escaped),
                other if quote.is_none() => value.push(other),
                other => value.extend(['\\', other]),
            },
            _ => value.push(c),
        }
    }
    quote.is_none().then_some(value)
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
