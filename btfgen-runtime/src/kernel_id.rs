//! Kernel id: `<distro>/<version>/<arch>/<release>`, a kernel's path in the BTFHub archive.

use std::fmt;
use std::str::FromStr;

use crate::text::join;

/// One kernel's place in the BTFHub archive: distro, version, arch and release.
///
/// The four parts are non-empty, hold no `/` and no control character, and none is `.` or `..`, so that
/// an id can be joined to a folder without leaving it.
///
/// ```
/// let id: btfgen_runtime::KernelId = "ubuntu/20.04/x86_64/5.4.0-84-generic".parse()?;
/// assert_eq!(id.arch(), "x86_64");
/// assert_eq!(id.to_string(), "ubuntu/20.04/x86_64/5.4.0-84-generic");
/// # Ok::<(), btfgen_runtime::KernelIdError>(())
/// ```
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelId {
    text: Box<str>,
    /// Byte offsets of the three slashes.
    slashes: [u16; 3],
}

/// Why a text is no kernel id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelIdError {
    text: String,
}

impl KernelId {
    /// Longest accepted id, in bytes.
    pub const MAX_LEN: usize = 512;

    /// Joins four parts into an id.
    ///
    /// # Errors
    /// When a part is empty, is `.` or `..`, or holds a slash or a control character.
    pub fn new(distro: &str, version: &str, arch: &str, release: &str) -> Result<Self, KernelIdError> {
        join(&[distro, "/", version, "/", arch, "/", release]).parse()
    }

    /// The whole id, `<distro>/<version>/<arch>/<release>`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The distribution's name in the archive, such as `ubuntu`.
    pub fn distro(&self) -> &str {
        self.part(0)
    }

    /// The distribution's version in the archive, such as `20.04`.
    pub fn version(&self) -> &str {
        self.part(1)
    }

    /// The archive's name of the architecture, such as `x86_64` or `arm64`.
    pub fn arch(&self) -> &str {
        self.part(2)
    }

    /// The kernel's release, as `uname -r` prints it.
    pub fn release(&self) -> &str {
        self.part(3)
    }

    #[inline(never)]
    fn part(&self, number: usize) -> &str {
        let slash = |at: usize| self.slashes.get(at).copied().map(usize::from);
        let start = number.checked_sub(1).and_then(slash).map_or(0, |slash| slash + 1);
        self.text.get(start..slash(number).unwrap_or(self.text.len())).unwrap_or_default()
    }
}

impl Clone for KernelId {
    #[inline(never)]
    fn clone(&self) -> Self {
        Self { text: self.text.clone(), slashes: self.slashes }
    }
}

impl FromStr for KernelId {
    type Err = KernelIdError;

    fn from_str(text: &str) -> Result<Self, KernelIdError> {
        match slashes(text) {
            Some(slashes) => Ok(Self { text: text.into(), slashes }),
            None => {
                let end = text.char_indices().nth(200).map_or(text.len(), |(end, _)| end);
                Err(KernelIdError { text: text.get(..end).unwrap_or_default().to_owned() })
            }
        }
    }
}

/// Byte offsets of the three slashes of a kernel id; `None` when the text is none.
#[inline(never)]
pub(crate) fn slashes(text: &str) -> Option<[u16; 3]> {
    if text.len() > KernelId::MAX_LEN {
        return None;
    }
    let text = text.as_bytes();
    let mut slashes = [0u16; 3];
    let mut found = 0;
    let (mut part_start, mut before) = (0, 0);
    for (at, &byte) in text.iter().enumerate() {
        // In UTF-8 the control characters above ASCII are these pairs of bytes.
        if byte.is_ascii_control() || (before == 0xc2 && byte < 0xa0) {
            return None;
        }
        before = byte;
        if byte == b'/' {
            if !is_part(text.get(part_start..at)?) {
                return None;
            }
            *slashes.get_mut(found)? = u16::try_from(at).ok()?;
            found += 1;
            part_start = at + 1;
        }
    }
    (found == slashes.len() && is_part(text.get(part_start..)?)).then_some(slashes)
}

fn is_part(part: &[u8]) -> bool {
    !matches!(part, b"" | b"." | b"..")
}

impl fmt::Display for KernelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for KernelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for KernelIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a kernel id <distro>/<version>/<arch>/<release>", self.text)
    }
}

impl std::error::Error for KernelIdError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_or_refuses() {
        let check = |text: &str, expect: Option<[&str; 4]>| {
            let got: Option<KernelId> = text.parse().ok();
            let parts = got.as_ref().map(|id| [id.distro(), id.version(), id.arch(), id.release()]);
            assert_eq!(parts, expect, "{text:?}");
        };
        check("debian/12/x86_64/6.1.0-50-amd64", Some(["debian", "12", "x86_64", "6.1.0-50-amd64"]));
        check(
            "amzn/2/arm64/4.14.101-91.76.amzn2.aarch64",
            Some(["amzn", "2", "arm64", "4.14.101-91.76.amzn2.aarch64"]),
        );
        check("debian/12/x86_64", None);
        check("debian/12/x86_64/a/b", None);
        check("debian//x86_64/a", None);
        check("debian/../x86_64/a", None);
        check("debian/12/x86_64/", None);
        check("debian/12/x86_64/a\nb", None);
        check("debian/12/x86_64/a\u{7f}", None);
        check("debian/12/x86_64/\u{80}a", None);
        check("debian/12/x86_64/a\u{9f}", None);
        check(
            "debian/12/x86_64/\u{a0}\u{c2}\u{480}",
            Some(["debian", "12", "x86_64", "\u{a0}\u{c2}\u{480}"]),
        );
        check("", None);
    }
}
