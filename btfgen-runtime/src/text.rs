//! Text: the few searches that reading a kernel's words takes, each compiled once: the standard library's patterns
//! are generic, and a few dozen uses of them outweigh the rest of this crate.

use crate::wire::push_number;

/// Where `part` begins in `text`.
#[inline(never)]
pub(crate) fn find(text: &str, part: &str) -> Option<usize> {
    text.as_bytes().windows(part.len().max(1)).position(|window| window == part.as_bytes())
}

/// Whether `part` stands in `text`.
#[inline(never)]
pub(crate) fn has(text: &str, part: &str) -> bool {
    find(text, part).is_some()
}

/// What stands before and after the first `mark`.
#[inline(never)]
pub(crate) fn cut<'t>(text: &'t str, mark: &str) -> Option<(&'t str, &'t str)> {
    let at = find(text, mark)?;
    Some((text.get(..at)?, text.get(at + mark.len()..)?))
}

/// What stands after the first `mark`.
#[inline(never)]
pub(crate) fn after<'t>(text: &'t str, mark: &str) -> Option<&'t str> {
    text.get(find(text, mark)? + mark.len()..)
}

/// What stands before the first of a byte's occurrences; all of it when there is none.
#[inline(never)]
pub(crate) fn until(text: &str, end: u8) -> &str {
    let len = text.bytes().position(|byte| byte == end).unwrap_or(text.len());
    text.get(..len).unwrap_or_default()
}

/// The digits at the front.
#[inline(never)]
pub(crate) fn digits(text: &str) -> &str {
    let len = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.get(..len).unwrap_or_default()
}

/// The digits right after the first `mark` that has any.
#[inline(never)]
pub(crate) fn number_after<'t>(text: &'t str, mark: &str) -> Option<&'t str> {
    let mut rest = text;
    loop {
        rest = after(rest, mark)?;
        let number = digits(rest);
        if !number.is_empty() {
            return Some(number);
        }
    }
}

/// Whether `text` begins with `head`.
#[inline(never)]
pub(crate) fn begins(text: &str, head: &str) -> bool {
    text.as_bytes().get(..head.len()) == Some(head.as_bytes())
}

/// Whether `text` ends with `tail`.
#[inline(never)]
pub(crate) fn ends(text: &str, tail: &str) -> bool {
    text.len().checked_sub(tail.len()).and_then(|at| text.as_bytes().get(at..)) == Some(tail.as_bytes())
}

/// The value of the first pair whose head begins `text`; a table is `head=value` words, as one string is far smaller
/// in a position-independent program than an array of strings is.
#[inline(never)]
pub(crate) fn by_head(table: &'static str, text: &str) -> Option<&'static str> {
    let mut rest = table;
    while !rest.is_empty() {
        let pair = until(rest, b' ');
        let head = until(pair, b'=');
        if begins(text, head) {
            return pair.get(head.len() + 1..);
        }
        rest = rest.get(pair.len() + 1..).unwrap_or_default();
    }
    None
}

/// The value of the first pair whose head is `text`.
#[inline(never)]
pub(crate) fn by_name(table: &'static str, text: &str) -> Option<&'static str> {
    let mut rest = table;
    while !rest.is_empty() {
        let pair = until(rest, b' ');
        let head = until(pair, b'=');
        if text == head {
            return pair.get(head.len() + 1..);
        }
        rest = rest.get(pair.len() + 1..).unwrap_or_default();
    }
    None
}

/// The one of the words that is `word`.
#[inline(never)]
pub(crate) fn word<'t>(words: &'t str, word: &str) -> Option<&'t str> {
    let mut rest = Some(words);
    while let Some(words) = rest {
        let first = until(words, b' ');
        if first == word {
            return Some(first);
        }
        rest = words.get(first.len() + 1..);
    }
    None
}

/// Whether `word` is one of the words.
#[inline(never)]
pub(crate) fn among(words: &str, name: &str) -> bool {
    word(words, name).is_some()
}

/// What stands after the last of a byte's occurrences; all of it when there is none.
#[inline(never)]
pub(crate) fn last(text: &str, mark: u8) -> &str {
    let at = text.bytes().rposition(|byte| byte == mark).map_or(0, |at| at + 1);
    text.get(at..).unwrap_or_default()
}

#[inline(never)]
fn white(letter: char) -> bool {
    letter.is_whitespace()
}

/// The text without white space around it.
#[inline(never)]
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(white)
}

/// Whether `part` stands in `text`, whatever the case of ASCII letters.
#[inline(never)]
pub(crate) fn has_in_any_case(text: &str, part: &str) -> bool {
    text.as_bytes().windows(part.len().max(1)).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

/// The texts, one after the other.
#[inline(never)]
pub(crate) fn join(parts: &[&str]) -> String {
    let mut text = String::with_capacity(64);
    for part in parts {
        text.push_str(part);
    }
    text
}

/// Bytes as text, with others than UTF-8's replaced.
#[inline(never)]
pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A number in decimal.
#[inline(never)]
pub(crate) fn decimal(number: u32) -> String {
    let mut digits = Vec::new();
    push_number(&mut digits, number);
    lossy(&digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches() {
        assert_eq!((find("abcabc", "ca"), find("abc", "abcd"), find("", "a")), (Some(2), None, None));
        assert_eq!(
            (cut("a~b~c", "~"), after("a~b~c", "~"), cut("abc", "~")),
            (Some(("a", "b~c")), Some("b~c"), None)
        );
        assert_eq!(
            (until("7.9", b'.'), until("7", b'.'), digits("12ab"), digits("ab")),
            ("7", "7", "12", "")
        );
        assert_eq!(number_after("0.80.aa7a.aarch64", ".aa"), Some("7"));
        assert_eq!(number_after("1.aarch64", ".aa"), None);
        assert_eq!(
            (by_head("a=1 ab=2", "abc"), by_name("a=1 ab=2", "ab"), by_name("a=1", "b")),
            (Some("1"), Some("2"), None)
        );
        assert!(among("a bc d", "bc") && among("a bc d", "d") && among("a  b", "") && !among("a bc", "b"));
        assert!(begins("abc", "ab") && !begins("a", "ab") && ends("abc", "bc") && !ends("c", "bc"));
    }
}
