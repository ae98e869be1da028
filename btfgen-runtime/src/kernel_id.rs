//! Kernel id: `<distro>/<version>/<arch>/<release>`, which is also a kernel's path in the BTFHub archive.

use std::fmt;
use std::str::FromStr;

/// The distributions whose kernels are known by their own strings; see [`KernelId::has_known_distro`].
const KNOWN_DISTROS: [&str; 9] =
    ["ubuntu", "debian", "rhel", "centos", "ol", "amzn", "sles", "opensuse-leap", "fedora"];

/// The id of a kernel: distro, version, arch and release.
///
/// Each part is non-empty, contains no `/` and no control character, and is not `.` or `..`. So an id can be joined to a
/// folder without leaving it.
///
/// ```
/// use btfgen_runtime::{KernelId, KernelIdError};
///
/// let id: KernelId = "ubuntu/20.04/x86_64/5.4.0-84-generic".parse()?;
/// assert_eq!((id.distro(), id.version(), id.arch()), ("ubuntu", "20.04", "x86_64"));
/// assert_eq!(id.release(), "5.4.0-84-generic");
/// assert_eq!(id.as_str(), "ubuntu/20.04/x86_64/5.4.0-84-generic");
///
/// let own = KernelId::new(KernelId::CUSTOM, "9f03c2d1a8b4e67f", "arm64", "6.6.52-board")?;
/// assert!(id.has_known_distro() && !own.has_known_distro());
///
/// let error: KernelIdError = "6.6.52-board".parse::<KernelId>().unwrap_err();
/// assert_eq!(error.to_string(), r#""6.6.52-board" is not a kernel id <distro>/<version>/<arch>/<release>"#);
/// assert!("x/".repeat(KernelId::MAX_LEN).parse::<KernelId>().is_err());
/// # Ok::<(), KernelIdError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelId {
    text: Box<str>,
}

/// Error of parsing a [`KernelId`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelIdError {
    text: String,
}

impl KernelId {
    /// Longest accepted id, in bytes.
    pub const MAX_LEN: usize = 512;

    /// Distro of kernels that no distribution made. Only the build id identifies them.
    pub const CUSTOM: &str = "custom";

    /// Joins four parts into an id.
    ///
    /// # Errors
    /// If a part is empty, is `.` or `..`, or contains a slash or a control character.
    pub fn new(distro: &str, version: &str, arch: &str, release: &str) -> Result<Self, KernelIdError> {
        format!("{distro}/{version}/{arch}/{release}").parse()
    }

    /// The whole id, `<distro>/<version>/<arch>/<release>`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The distribution's name in the hub, such as `ubuntu`.
    pub fn distro(&self) -> &str {
        self.part(0)
    }

    /// The distribution's version in the hub, such as `20.04`.
    pub fn version(&self) -> &str {
        self.part(1)
    }

    /// The architecture's name in the hub, such as `x86_64` or `arm64`.
    pub fn arch(&self) -> &str {
        self.part(2)
    }

    /// The kernel's release, as `uname -r` prints it.
    pub fn release(&self) -> &str {
        self.part(3)
    }

    /// Whether the kernel's own strings can prove that a kernel is this distribution's.
    ///
    /// A kernel of any other distribution, or a custom one, is identified by its build id.
    pub fn has_known_distro(&self) -> bool {
        is_known_distro(self.distro())
    }

    fn part(&self, index: usize) -> &str {
        self.text.split('/').nth(index).unwrap_or_default()
    }
}

impl FromStr for KernelId {
    type Err = KernelIdError;

    fn from_str(text: &str) -> Result<Self, KernelIdError> {
        if is_kernel_id(text) {
            Ok(Self { text: text.into() })
        } else {
            Err(KernelIdError { text: text.chars().take(KernelIdError::MAX_CHARS).collect() })
        }
    }
}

/// Whether kernels of a distribution are known by their own strings.
pub(crate) fn is_known_distro(distro: &str) -> bool {
    KNOWN_DISTROS.contains(&distro)
}

/// Whether a text is a kernel id.
pub(crate) fn is_kernel_id(text: &str) -> bool {
    text.len() <= KernelId::MAX_LEN
        && !text.chars().any(char::is_control)
        && text.bytes().filter(|byte| *byte == b'/').count() == 3
        && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
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

impl KernelIdError {
    /// How much of a text the message repeats.
    const MAX_CHARS: usize = 200;
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
