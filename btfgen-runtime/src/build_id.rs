//! Build id: the GNU build id of a kernel, which identifies one build of it.

use std::fmt;
use std::str::FromStr;

/// Type of the note that contains a build id (elf.h).
const NT_GNU_BUILD_ID: u32 = 3;

/// A kernel's build id: the 20 bytes of its `NT_GNU_BUILD_ID` note.
///
/// ```
/// use btfgen_runtime::{BuildId, BuildIdError};
///
/// let id: BuildId = "4a5a9b0affb66c437abcd455d2738af879985fa9".parse()?;
/// assert_eq!(id.to_string(), "4a5a9b0affb66c437abcd455d2738af879985fa9");
/// assert_eq!(id, BuildId::from_bytes(*id.as_bytes()));
/// assert_eq!(id.prefix().to_string(), "4a5a9b0affb66c437abcd455d2738af8");
/// assert_eq!("4a5a9b0a".parse::<BuildId>(), Err(BuildIdError));
///
/// // The note's header (lengths of name and content, type), its name, and its content of LEN bytes.
/// let notes = [&[4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0], &b"GNU\0"[..], id.as_bytes()].concat();
/// assert_eq!(notes.len(), 16 + BuildId::LEN);
/// assert_eq!(BuildId::from_notes(&notes, false), Some(id));
/// # Ok::<(), BuildIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BuildId([u8; Self::LEN]);

/// The first 16 bytes of a [`BuildId`], as an archive stores them.
///
/// ```
/// use btfgen_runtime::{BuildId, BuildIdPrefix};
///
/// let prefix = BuildId::from_bytes([7; BuildId::LEN]).prefix();
/// assert_eq!(prefix, BuildIdPrefix::from_bytes([7; BuildIdPrefix::LEN]));
/// assert_eq!(prefix.as_bytes(), &[7; 16]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BuildIdPrefix([u8; Self::LEN]);

/// Error of parsing a [`BuildId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildIdError;

impl BuildId {
    /// Length in bytes.
    pub const LEN: usize = 20;

    /// The build id in the notes of a kernel, such as `/sys/kernel/notes` or the section `.notes` of a `vmlinux`.
    ///
    /// `None` if there is no build id of 20 bytes, or more than one.
    pub fn from_notes(notes: &[u8], big_endian: bool) -> Option<Self> {
        let mut found = None;
        let mut rest = notes;
        while let Some((note, next)) = split_note(rest, big_endian) {
            if note.kind == NT_GNU_BUILD_ID && note.name == b"GNU\0" {
                let id = Self(note.content.try_into().ok()?);
                if found.is_some_and(|found| found != id) {
                    return None;
                }
                found = Some(id);
            }
            rest = next;
        }
        found
    }

    /// The build id with these bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The first bytes.
    pub fn prefix(&self) -> BuildIdPrefix {
        let mut prefix = [0; BuildIdPrefix::LEN];
        prefix.copy_from_slice(&self.0[..BuildIdPrefix::LEN]);
        BuildIdPrefix(prefix)
    }
}

impl BuildIdPrefix {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// The prefix with these bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

/// An ELF note.
struct Note<'n> {
    kind: u32,
    /// With its final NUL byte.
    name: &'n [u8],
    content: &'n [u8],
}

/// The first note and what follows it; `None` if there is no whole note.
fn split_note(notes: &[u8], big_endian: bool) -> Option<(Note<'_>, &[u8])> {
    let word = |index: usize| -> Option<u32> {
        let bytes = *notes.get(4 * index..)?.first_chunk()?;
        Some(if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    };
    let (name_len, content_len, kind) = (word(0)? as usize, word(1)? as usize, word(2)?);
    let (name, rest) = split_padded(notes.get(12..)?, name_len)?;
    let (content, rest) = split_padded(rest, content_len)?;
    Some((Note { kind, name, content }, rest))
}

/// The first `len` bytes, and what follows their padding to four bytes.
fn split_padded(bytes: &[u8], len: usize) -> Option<(&[u8], &[u8])> {
    let padded = len.checked_next_multiple_of(4)?;
    // The last note may end without padding.
    Some((bytes.get(..len)?, bytes.get(padded..).unwrap_or_default()))
}

impl FromStr for BuildId {
    type Err = BuildIdError;

    fn from_str(text: &str) -> Result<Self, BuildIdError> {
        let digits = text.as_bytes();
        if digits.len() != 2 * Self::LEN || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(BuildIdError);
        }
        let mut id = [0; Self::LEN];
        for (byte, digits) in id.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |digit: u8| (digit as char).to_digit(16).unwrap_or_default() as u8;
            *byte = digit(digits[0]) << 4 | digit(digits[1]);
        }
        Ok(Self(id))
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Display for BuildIdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Debug for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for BuildIdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for BuildIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a build id is 40 hexadecimal digits, as \"readelf -n vmlinux\" prints them")
    }
}

impl std::error::Error for BuildIdError {}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "4a5a9b0affb66c437abcd455d2738af879985fa9";

    fn note(kind: u32, name: &[u8], content: &[u8], big: bool) -> Vec<u8> {
        let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let mut out: Vec<u8> =
            [name.len() as u32, content.len() as u32, kind].into_iter().flat_map(word).collect();
        for part in [name, content] {
            out.extend_from_slice(part);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }

    #[test]
    fn text_is_forty_digits() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(text.parse::<BuildId>().ok().map(|id| id.to_string()).as_deref(), expect, "{text}");
        };
        check(HEX, Some(HEX));
        check(&HEX.to_uppercase(), Some(HEX));
        check("", None);
        check(&HEX[..38], None);
        check(&format!("{HEX}00"), None);
        check(&HEX.replace('4', "g"), None);
        check(&HEX.replace("4a", "é"), None);
        assert_eq!(HEX.parse::<BuildId>().unwrap().prefix().to_string(), HEX[..32]);
    }

    #[test]
    fn the_only_gnu_note_counts() {
        let id: BuildId = HEX.parse().unwrap();
        let other = BuildId::from_bytes([7; 20]);
        for big in [false, true] {
            let gnu = |content: &[u8]| note(3, b"GNU\0", content, big);
            let linux = note(0x101, b"Linux\0", b"\0\0\0\0", big);
            let odd = note(3, b"Linux\0", &[1; 5], big);
            let check = |notes: &[&[u8]], expect| {
                assert_eq!(BuildId::from_notes(&notes.concat(), big), expect, "{notes:x?}");
            };
            check(&[&gnu(id.as_bytes())], Some(id));
            check(&[&linux, &odd, &gnu(id.as_bytes()), &linux], Some(id));
            check(&[&gnu(id.as_bytes()), &gnu(id.as_bytes())], Some(id));
            check(&[&gnu(id.as_bytes()), &gnu(other.as_bytes())], None);
            check(&[&gnu(&[1; 8])], None);
            check(&[&linux, &odd], None);
            check(&[], None);
            check(&[&gnu(id.as_bytes())[..30]], None);
            // The other byte order.
            assert_eq!(BuildId::from_notes(&gnu(id.as_bytes()), !big), None);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_kernel_has_one() {
        if let Ok(notes) = std::fs::read("/sys/kernel/notes") {
            assert!(BuildId::from_notes(&notes, cfg!(target_endian = "big")).is_some());
        }
    }
}
