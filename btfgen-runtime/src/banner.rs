//! Banner: what `/proc/version` says of a kernel: who built it where, with which compiler, and `uname -v`.

use crate::text::{cut, find, trim};

/// The parts of `Linux version <release> (<user>@<host>) (<compiler>) <uname -v> [(<signature>)]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Banner<'a> {
    pub(crate) release: &'a str,
    pub(crate) user: &'a str,
    pub(crate) host: &'a str,
    pub(crate) compiler: &'a str,
    /// `uname -v`, from its `#` on.
    pub(crate) version: &'a str,
}

impl<'a> Banner<'a> {
    /// Takes a banner apart (format: `linux_banner` in the kernel's `init/version.c`); `None` when it is another text.
    #[inline(never)]
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (release, rest) = cut(trim(text).strip_prefix("Linux version ")?, " ")?;
        let (builder, rest) = parenthesized(rest)?;
        let (user, host) = cut(builder, "@")?;
        let (compiler, rest) = parenthesized(rest).unwrap_or(("", rest));
        Some(Self { release, user, host, compiler, version: rest.get(find(rest, "#")?..).map(trim)? })
    }
}

/// The text in the parentheses at the front, which may hold others, and what follows.
#[inline(never)]
fn parenthesized(text: &str) -> Option<(&str, &str)> {
    let text = trim(text).strip_prefix('(')?;
    let mut depth = 1;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banners_come_apart() {
        let check = |text: &str, expect: Option<[&str; 5]>| {
            let got = Banner::parse(text).map(|b| [b.release, b.user, b.host, b.compiler, b.version]);
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
