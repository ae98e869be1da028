//! Compare: whether output matches what a document shows, with `...` for what is left out.

/// What is left out: lines, or a part of one.
const ANY: &str = "...";

/// Whether the output's lines match; trailing spaces do not count.
pub(super) fn matches(expect: &[String], found: &[&str]) -> bool {
    let Some((first, rest)) = expect.split_first() else { return found.is_empty() };
    if first.trim() == ANY {
        return (0..=found.len()).any(|skipped| matches(rest, &found[skipped..]));
    }
    let Some((line, others)) = found.split_first() else { return false };
    line_matches(first, line.trim_end()) && matches(rest, others)
}

fn line_matches(expect: &str, found: &str) -> bool {
    let Some((before, after)) = expect.split_once(ANY) else { return expect == found };
    let Some(rest) = found.strip_prefix(before) else { return false };
    (0..=rest.len()).filter_map(|at| rest.get(at..)).any(|rest| line_matches(after, rest))
}

#[cfg(test)]
mod tests {
    #[test]
    fn matches() {
        let check = |expect: &str, found: &str, matches: bool| {
            let lines: Vec<String> = expect.lines().map(str::to_owned).collect();
            let found: Vec<&str> = found.lines().collect();
            assert_eq!(super::matches(&lines, &found), matches, "{expect:?} {found:?}");
        };
        check("a\nb", "a \nb", true);
        check("a\nb", "a", false);
        check("a", "a\nb", false);
        check("a\n...", "a\nb\nc", true);
        check("...\nc", "a\nb\nc", true);
        check("  ...\nc", "c", true);
        check("...\nb\n...", "a\nc", false);
        check("a ... c", "a b c", true);
        check("a...", "b", false);
        check("é...é", "éxé", true);
    }
}
