//! os-release: the file that names the distribution of a root file system, see os-release(5).

/// The assignments of an os-release file.
///
/// ```
/// let os = btfgen_runtime::OsRelease::parse("ID=\"centos\"\nVERSION_ID='7'\n# a comment\n");
/// assert_eq!((os.get("ID"), os.get("VERSION_ID"), os.get("ID_LIKE")), (Some("centos"), Some("7"), None));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OsRelease {
    /// Names and unquoted values, in the order of the file.
    assignments: Vec<(String, String)>,
}

impl OsRelease {
    /// Parses the text of an os-release file; lines that are not assignments are skipped.
    pub fn parse(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { assignments: text.lines().filter_map(|line| parse_assignment(line.trim())).collect() }
    }

    /// The value last assigned to a name; `None` if it is missing or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.assignments.iter().rfind(|(assigned, _)| assigned == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

/// Splits `NAME=value` and unquotes the value.
fn parse_assignment(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name { Some((name.to_owned(), unquote(value)?)) } else { None }
}

/// The first word of a shell command line, without its quotes; `None` if a quote is never closed.
fn unquote(text: &str) -> Option<String> {
    let mut word = String::new();
    let mut open_quote = None;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match (open_quote, char) {
            (None, '"' | '\'') => open_quote = Some(char),
            (None, ' ' | '\t' | '#') => break,
            (None, '\\') => word.push(chars.next()?),
            // Within double quotes, a backslash escapes these characters only.
            (Some('"'), '\\') => word.push(chars.next_if(|next| "\"$`\\".contains(*next)).unwrap_or('\\')),
            (Some(quote), _) if quote == char => open_quote = None,
            _ => word.push(char),
        }
    }
    open_quote.is_none().then_some(word)
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
}
