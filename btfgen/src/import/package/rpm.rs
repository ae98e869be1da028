//! Rpm: RPM packages, which are two header blocks and a compressed cpio archive.
//!
//! The readers are our own: they read as a stream, and no field without a limit.

use std::io::Read;

use super::entry::{Entry, MAX_FILES, Metadata, NAME_LIMIT, PACKAGE_LIMIT, Visit};
use crate::import::codec::unpacked;
use crate::import::error::ImportError;
use crate::import::package_format::PackageFormat;

/// First bytes of every RPM package.
pub(super) const MAGIC: &[u8] = &[0xed, 0xab, 0xee, 0xdb];
/// First bytes of each header block.
const HEADER_MAGIC: &[u8] = &[0x8e, 0xad, 0xe8];
/// Most bytes of a header block; a kernel's file list has about one megabyte.
const HEADER_LIMIT: usize = 64 << 20;

/// Tags of the main header, `rpmtag.h`.
mod tag {
    pub(super) const NAME: u32 = 1000;
    pub(super) const VERSION: u32 = 1001;
    pub(super) const RELEASE: u32 = 1002;
    pub(super) const DISTRIBUTION: u32 = 1010;
    pub(super) const VENDOR: u32 = 1011;
    pub(super) const ARCH: u32 = 1022;
}

/// Calls `visit` with each file of the package's payload, as [`super::walk`] says.
pub(super) fn walk<R: Read>(mut package: R, visit: &mut Visit<'_>) -> Result<Metadata, ImportError> {
    let mut lead = [0; 96];
    read_exact(&mut package, &mut lead)?;
    if !lead.starts_with(MAGIC) {
        return Err(bad("no RPM lead"));
    }
    let signature = header_block(&mut package)?;
    // Only the signature block is padded, to 8 bytes.
    let padding = (8 - signature.data.len() % 8) % 8;
    read_exact(&mut package, [0; 8].get_mut(..padding).unwrap_or_default())?;
    let header = header_block(&mut package)?;
    let need = |tag, name| header.text(tag).ok_or_else(|| bad(format!("the header has no {name}")));
    let metadata = Metadata {
        format: PackageFormat::Rpm,
        name: need(tag::NAME, "name")?,
        version: format!("{}-{}", need(tag::VERSION, "version")?, need(tag::RELEASE, "release")?),
        arch: need(tag::ARCH, "architecture")?,
        vendor: [header.text(tag::VENDOR), header.text(tag::DISTRIBUTION)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("; "),
    };
    let cpio = unpacked(package, PACKAGE_LIMIT).map_err(ImportError::read("the cpio archive"))?;
    each_file(cpio, &metadata, visit)?;
    Ok(metadata)
}

/// A header block: an index of tags over a data area.
struct Header {
    index: Vec<u8>,
    data: Vec<u8>,
}

impl Header {
    /// The text of a tag of type string (6), or the first of an internationalized string (9).
    fn text(&self, tag: u32) -> Option<String> {
        let word = |entry: &[u8], at: usize| -> Option<u32> {
            Some(u32::from_be_bytes(*entry.get(at..)?.first_chunk()?))
        };
        let entry = self.index.chunks_exact(16).find(|entry| word(entry, 0) == Some(tag))?;
        if !matches!(word(entry, 4)?, 6 | 9) {
            return None;
        }
        let text = self.data.get(usize::try_from(word(entry, 8)?).ok()?..)?;
        let end = text.iter().position(|&byte| byte == 0)?;
        Some(String::from_utf8_lossy(text.get(..end)?).into_owned())
    }
}

fn header_block(package: &mut impl Read) -> Result<Header, ImportError> {
    let mut intro = [0; 16];
    read_exact(package, &mut intro)?;
    if !intro.starts_with(HEADER_MAGIC) {
        return Err(bad("header block missing"));
    }
    let [.., a, b, c, d, e, f, g, h] = intro;
    let entries = u32::from_be_bytes([a, b, c, d]) as usize;
    let len = u32::from_be_bytes([e, f, g, h]) as usize;
    if entries > HEADER_LIMIT / 16 || len > HEADER_LIMIT {
        return Err(bad("the header block is too large"));
    }
    let mut read = |len: usize| -> Result<Vec<u8>, ImportError> {
        let mut bytes = Vec::new();
        package.take(len as u64).read_to_end(&mut bytes).map_err(ImportError::read("the package"))?;
        if bytes.len() < len { Err(bad("the header block is cut short")) } else { Ok(bytes) }
    };
    Ok(Header { index: read(entries * 16)?, data: read(len)? })
}

/// Calls `visit` with every regular file of a cpio archive in the "newc" format until it breaks.
fn each_file(
    mut cpio: Box<dyn Read + '_>,
    metadata: &Metadata,
    visit: &mut Visit<'_>,
) -> Result<(), ImportError> {
    for _ in 0..MAX_FILES {
        let mut header = [0; 110];
        read_exact(&mut cpio, &mut header)?;
        if header.starts_with(b"07070X") {
            return Err(bad("files of more than 4 GiB are not supported"));
        }
        if !header.starts_with(b"07070") {
            return Err(bad("the payload is not a cpio archive"));
        }
        let field = |index: usize| -> Result<u64, ImportError> {
            let from = 6 + 8 * index;
            let digits = header.get(from..from + 8).unwrap_or_default();
            std::str::from_utf8(digits)
                .ok()
                .and_then(|digits| u64::from_str_radix(digits, 16).ok())
                .ok_or_else(|| bad("malformed cpio file header"))
        };
        let (mode, size, name_len) = (field(1)?, field(6)?, field(11)?);
        if name_len > NAME_LIMIT {
            return Err(bad("a file name in the cpio archive is too long"));
        }
        let mut name = Vec::new();
        // Header and name together are padded to 4 bytes, and so is the content.
        let padded = name_len + (4 - (110 + name_len) % 4) % 4;
        (&mut cpio).take(padded).read_to_end(&mut name).map_err(ImportError::read("the cpio archive"))?;
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        let name = String::from_utf8_lossy(name.get(..end).unwrap_or_default()).into_owned();
        if name == "TRAILER!!!" {
            return Ok(());
        }
        let path = name.trim_start_matches("./").trim_start_matches('/');
        let mut content = (&mut cpio).take(size);
        if mode & 0o170_000 == 0o100_000
            && visit(metadata, Entry { path, size, content: &mut content })?.is_break()
        {
            return Ok(());
        }
        let skip = content.limit() + (4 - size % 4) % 4;
        let skipped = std::io::copy(&mut (&mut cpio).take(skip), &mut std::io::sink())
            .map_err(ImportError::read("the cpio archive"))?;
        if skipped < skip {
            return Err(bad("the cpio archive is cut short"));
        }
    }
    Ok(())
}

fn read_exact(reader: &mut impl Read, buf: &mut [u8]) -> Result<(), ImportError> {
    reader.read_exact(buf).map_err(ImportError::read("the package"))
}

fn bad(message: impl Into<String>) -> ImportError {
    ImportError::Package { format: PackageFormat::Rpm, message: message.into() }
}
