//! Parses `/proc/version`: who built the kernel, on which host, with which compiler, and `uname -v`.

/// The parts of `Linux version <release> (<user>@<host>) (<compiler>) <uname -v>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ProcVersion<'a> {
    pub(crate) release: &'a str,
    pub(crate) user: &'a str,
    pub(crate) host: &'a str,
    /// Empty in the oldest form, which has no compiler.
    pub(crate) compiler: &'a str,
    /// `uname -v`, which begins with `#`.
    pub(crate) uname_version: &'a str,
}

impl<'a> ProcVersion<'a> {
    /// Parses the text of `/proc/version`, see `linux_banner` in the kernel's `init/version.c`.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (release, rest) = text.trim().strip_prefix("Linux version ")?.split_once(' ')?;
        let (builder, rest) = split_parentheses(rest)?;
        let (user, host) = builder.split_once('@')?;
        let (compiler, rest) = split_parentheses(rest).unwrap_or(("", rest));
        let uname_version = rest.get(rest.find('#')?..)?.trim();
        Some(Self { release, user, host, compiler, uname_version })
    }
}

/// Splits a text that begins with `(` into the content of these parentheses, which may be nested, and the rest.
fn split_parentheses(text: &str) -> Option<(&str, &str)> {
    let text = text.trim().strip_prefix('(')?;
    let mut depth = 1;
    for (offset, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((text.get(..offset)?, text.get(offset + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_or_refuses() {
        let check = |text: &str, expect: Option<[&str; 5]>| {
            let got =
                ProcVersion::parse(text).map(|p| [p.release, p.user, p.host, p.compiler, p.uname_version]);
            assert_eq!(got, expect, "{text}");
        };
        check(
            "Linux version 4.10.0-27-generic (buildd@lgw01-60) (gcc version 5.4.0 20160609 \
             (Ubuntu 5.4.0-6ubuntu1~16.04.4) ) #30~16.04.2-Ubuntu SMP Thu\n",
            Some([
                "4.10.0-27-generic",
                "buildd",
                "lgw01-60",
                "gcc version 5.4.0 20160609 (Ubuntu 5.4.0-6ubuntu1~16.04.4) ",
                "#30~16.04.2-Ubuntu SMP Thu",
            ]),
        );
        check(
            "Linux version 6.1.0 (a@b) (gcc (GCC) 15, GNU ld (GNU) 2.46) #1 SMP @0",
            Some(["6.1.0", "a", "b", "gcc (GCC) 15, GNU ld (GNU) 2.46", "#1 SMP @0"]),
        );
        check("Linux version 6.1.0 (a@b) #1", Some(["6.1.0", "a", "b", "", "#1"]));
        check("Linux version 6.1.0 (a@b (gcc) #1", None);
        check("Linux version 6.1.0 (a@b) (gcc) none", None);
        check("Darwin", None);
        check("", None);
    }
}
