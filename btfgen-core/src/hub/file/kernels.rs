//! Kernel table: what is recorded of each kernel besides its types, in the order that sets count in.

use std::collections::HashSet;

use btfgen_runtime::KernelId;

use super::HubFileError;
use super::column::{Column, Columns, Unpacked};
use crate::btf::{DataModel, Endian};

/// Most kernels of one file.
const MAX_KERNELS: usize = 1 << 16;

/// What a hub file records of a kernel besides its types.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelRecord {
    /// The kernel's id.
    pub id: KernelId,
    /// Byte order and pointer size.
    pub model: DataModel,
    /// Where it came from, such as a package's name.
    pub provenance: String,
    /// SHA-256 of the BTF it was made from, and of its modules' one after another.
    pub sha256: [u8; 32],
    /// Size of these in bytes.
    pub size: u64,
}

/// What the kernels of a file are ordered by: near ones share most types, so their sets come out short.
///
/// That is the architecture, then the flavour (the parts of the release that begin with a letter at its end), then the
/// numbers in the release, then the id.
pub(super) fn sort_key(id: &KernelId) -> (&str, &str, Vec<u64>, &str) {
    let release = id.release();
    let is_word = |part: &&str| part.starts_with(|first: char| first.is_ascii_alphabetic());
    let flavour: usize = release.rsplit('-').take_while(is_word).map(|part| part.len() + 1).sum();
    let (rest, flavour) = release.split_at(release.len().saturating_sub(flavour));
    let numbers = rest.split(|byte: char| !byte.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let numbers = numbers.map(|digits| digits.parse().unwrap_or(u64::MAX)).collect();
    (id.arch(), flavour, numbers, id.as_str())
}

pub(super) fn write<'k>(out: &mut Columns, kernels: impl Iterator<Item = &'k KernelRecord>) {
    let texts = |text: &str, out: &mut Columns| {
        let raw = out.raw(Column::Kernels);
        raw.extend(text.bytes().filter(|&byte| byte != 0));
        raw.push(0);
    };
    for kernel in kernels {
        texts(kernel.id.as_str(), out);
        texts(&kernel.provenance, out);
        let big = u8::from(kernel.model.endian == Endian::Big);
        out.raw(Column::Kernels).push(kernel.model.pointer_size << 1 | big);
        out.uint(Column::Kernels, kernel.size);
        out.raw(Column::Hashes).extend_from_slice(&kernel.sha256);
    }
}

/// Reads the kernel table; no two kernels share an id.
pub(super) fn read(columns: &mut Unpacked) -> Result<Vec<KernelRecord>, HubFileError> {
    let mut column = columns.reader(Column::Kernels)?;
    let mut hashes = columns.reader(Column::Hashes)?;
    let mut kernels: Vec<KernelRecord> = Vec::new();
    while column.left() != 0 {
        let id = column.text()?;
        let id = std::str::from_utf8(id).ok().and_then(|id| id.parse::<KernelId>().ok());
        let id = id.ok_or_else(|| column.malformed("kernel ids"))?;
        let provenance = String::from_utf8_lossy(column.text()?).into_owned();
        let model = column.byte()?;
        let endian = if model & 1 == 0 { Endian::Little } else { Endian::Big };
        let pointer_size = model >> 1;
        if !matches!(pointer_size, 4 | 8) {
            return Err(column.malformed("pointer sizes"));
        }
        let size = column.uint()?;
        let mut sha256 = [0; 32];
        for byte in &mut sha256 {
            *byte = hashes.byte()?;
        }
        kernels.push(KernelRecord {
            id,
            model: DataModel { endian, pointer_size },
            provenance,
            sha256,
            size,
        });
        if kernels.len() > MAX_KERNELS {
            return Err(HubFileError::TooLarge { what: "kernels" });
        }
    }
    hashes.end()?;
    let mut ids = HashSet::new();
    if !kernels.iter().all(|kernel| ids.insert(&kernel.id)) {
        return Err(column.malformed("kernel ids"));
    }
    Ok(kernels)
}
