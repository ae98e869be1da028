//! Deb: Debian packages, which are `ar` archives of a control tar and a data tar.
//!
//! The `ar` reader is our own: it is short, and reads no field without a limit.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::ControlFlow;

use super::entry::{Entry, MAX_FILES, Metadata, NAME_LIMIT, PACKAGE_LIMIT, Visit};
use crate::import::codec::{read_up_to, unpacked};
use crate::import::error::ImportError;
use crate::import::package_format::PackageFormat;

/// First bytes of every `ar` archive.
pub(super) const MAGIC: &[u8] = b"!<arch>\n";
/// Most bytes of the control file; real ones have a few kilobytes.
const CONTROL_LIMIT: u64 = 1 << 20;

/// Calls `visit` with each file of the package's data, as [`super::walk`] says.
pub(super) fn walk<R: Read>(mut package: R, visit: &mut Visit<'_>) -> Result<Metadata, ImportError> {
    let mut magic = [0; MAGIC.len()];
    read_exact(&mut package, &mut magic)?;
    if magic != MAGIC {
        return Err(bad("not an ar archive"));
    }
    let mut metadata = None;
    loop {
        let mut header = [0; 60];
        if read_up_to(&mut package, &mut header).map_err(ImportError::read("the package"))? < header.len() {
            return Err(bad("no data.tar"));
        }
        let (name, size) = member(&header)?;
        let mut body = (&mut package).take(size);
        if name.starts_with("control.tar") {
            metadata = Some(control(&mut body)?);
        } else if name.starts_with("data.tar") {
            let metadata = metadata.ok_or_else(|| bad("data.tar comes before control.tar"))?;
            each_file(&mut body, &mut |entry| visit(&metadata, entry))?;
            return Ok(metadata);
        }
        // Members start at even offsets.
        let rest = body.limit() + size % 2;
        std::io::copy(&mut (&mut package).take(rest), &mut std::io::sink())
            .map_err(ImportError::read("the package"))?;
    }
}

/// Name and size of an `ar` member.
fn member(header: &[u8; 60]) -> Result<(&str, u64), ImportError> {
    let field = |from: usize, to: usize| {
        let bytes = header.get(from..to).unwrap_or_default();
        std::str::from_utf8(bytes).map(str::trim_ascii_end).map_err(|_| bad("malformed ar member header"))
    };
    if !header.ends_with(b"`\n") {
        return Err(bad("malformed ar member header"));
    }
    let size = field(48, 58)?.parse().map_err(|_| bad("malformed ar member size"))?;
    // GNU ar ends the name with a slash.
    Ok((field(0, 16)?.trim_end_matches('/'), size))
}

/// The fields of the control file.
fn control(tar: &mut dyn Read) -> Result<Metadata, ImportError> {
    let mut text = None;
    each_file(tar, &mut |file| {
        if file.path != "control" {
            return Ok(ControlFlow::Continue(()));
        }
        text = Some(String::from_utf8_lossy(&file.read(CONTROL_LIMIT)?).into_owned());
        Ok(ControlFlow::Break(()))
    })?;
    let text = text.ok_or_else(|| bad("no control file"))?;
    let fields = paragraph(&text);
    let field = |name: &str| fields.get(name).map(|value| (*value).to_owned());
    let need = |name: &str| field(name).ok_or_else(|| bad(format!("the control file has no {name}")));
    Ok(Metadata {
        format: PackageFormat::Deb,
        name: need("Package")?,
        version: need("Version")?,
        arch: need("Architecture")?,
        vendor: field("Maintainer").unwrap_or_default(),
    })
}

/// The single-line fields of one paragraph of a control file or package index.
pub fn paragraph(text: &str) -> BTreeMap<&str, &str> {
    text.lines()
        .filter(|line| !line.starts_with([' ', '\t']))
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.trim()))
        .collect()
}

/// Calls `visit` with every regular file of a compressed tar until it breaks.
fn each_file(
    tar: &mut dyn Read,
    visit: &mut dyn FnMut(Entry<'_>) -> Result<ControlFlow<()>, ImportError>,
) -> Result<(), ImportError> {
    let plain = unpacked(tar, PACKAGE_LIMIT).map_err(ImportError::read("the tar in the package"))?;
    let mut archive = tar::Archive::new(plain);
    let broken = |error| ImportError::read("the tar in the package")(error);
    let mut long_name: Option<String> = None;
    // Raw: otherwise the iterator reads long names of any length into memory.
    for entry in archive.entries().map_err(broken)?.raw(true).take(MAX_FILES) {
        let mut entry = entry.map_err(broken)?;
        let size = entry.size();
        let kind = entry.header().entry_type();
        if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
            if size > NAME_LIMIT {
                return Err(bad("a file name in the tar is too long"));
            }
            let mut text = Vec::new();
            entry.read_to_end(&mut text).map_err(broken)?;
            let text = String::from_utf8_lossy(&text);
            long_name = if kind.is_gnu_longname() {
                Some(text.trim_end_matches('\0').to_owned())
            } else {
                // Records `<length> path=<name>\n`.
                text.lines().find_map(|line| line.split_once(" path=")).map(|(_, name)| name.to_owned())
            };
            continue;
        }
        let name = match long_name.take() {
            Some(name) => name,
            None => String::from_utf8_lossy(&entry.path_bytes()).into_owned(),
        };
        if !kind.is_file() {
            continue;
        }
        let path = name.trim_start_matches("./").trim_start_matches('/');
        if visit(Entry { path, size, content: &mut entry })?.is_break() {
            break;
        }
    }
    Ok(())
}

fn read_exact(reader: &mut impl Read, buf: &mut [u8]) -> Result<(), ImportError> {
    reader.read_exact(buf).map_err(ImportError::read("the package"))
}

fn bad(message: impl Into<String>) -> ImportError {
    ImportError::Package { format: PackageFormat::Deb, message: message.into() }
}
