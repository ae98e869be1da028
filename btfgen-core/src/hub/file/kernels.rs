//! Kernel table: the record of each kernel apart from its types. Sets refer to kernels by their rows in it.

use std::collections::{HashMap, HashSet};

use btfgen_runtime::{BuildId, KernelId};

use super::column::{Column, Columns, Reader};
use super::error::HubFileError;
use crate::btf::{DataModel, Endian};
use crate::hub::{Defects, ShipsBtf};

/// Most kernels of one file.
const MAX_KERNELS: usize = 1 << 16;
/// Flags in the byte of byte order and pointer size.
const HAS_BUILD_ID: u8 = 0x80;
const HAS_DEFECTS: u8 = 0x40;
/// Bits of the byte in [`Column::KernelFacts`].
const SHIPS_BTF: u8 = 3;
const HAS_MODULES: u8 = 4;

/// A kernel's row in a file's kernel table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct KernelRow(pub(super) u32);

impl KernelRow {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a hub file records of a kernel apart from its types.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelRecord {
    /// The kernel's id.
    pub id: KernelId,
    /// Byte order and pointer size.
    pub model: DataModel,
    /// Its source, such as a package's name.
    pub provenance: String,
    /// SHA-256 of its source: the kernel's BTF and those of its modules, concatenated.
    pub sha256: [u8; 32],
    /// Size of the source in bytes.
    pub size: u64,
    /// Its build id; none if the source has none.
    pub build_id: Option<BuildId>,
    /// What is bad about its source.
    pub defects: Defects,
    /// Whether it ships BTF of its own.
    pub ships_btf: ShipsBtf,
    /// Whether its functions include those of modules.
    pub has_modules: bool,
}

/// The order of the kernel table. Neighbors share most types, so sets of kernels consist of few runs.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SortKey {
    arch: String,
    /// The parts at the end of the release that begin with a letter.
    flavor: String,
    /// The numbers in the rest of the release.
    numbers: Vec<u64>,
    id: KernelId,
}

pub(super) fn sort_key(id: &KernelId) -> SortKey {
    let release = id.release();
    let is_word = |part: &&str| part.starts_with(|first: char| first.is_ascii_alphabetic());
    let flavor: usize = release.rsplit('-').take_while(is_word).map(|part| part.len() + 1).sum();
    let (rest, flavor) = release.split_at(release.len().saturating_sub(flavor));
    let numbers = rest.split(|byte: char| !byte.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let numbers = numbers.map(|digits| digits.parse().unwrap_or(u64::MAX)).collect();
    SortKey { arch: id.arch().to_owned(), flavor: flavor.to_owned(), numbers, id: id.clone() }
}

/// Writes the kernel table.
pub(super) fn write<'k>(out: &mut Columns, kernels: impl Iterator<Item = &'k KernelRecord>) {
    let text = |text: &str, out: &mut Columns| {
        let raw = out.raw(Column::Kernels);
        raw.extend(text.bytes().filter(|&byte| byte != 0));
        raw.push(0);
    };
    for kernel in kernels {
        text(kernel.id.as_str(), out);
        text(&kernel.provenance, out);
        let big = u8::from(kernel.model.endian == Endian::Big);
        let has_build_id = if kernel.build_id.is_some() { HAS_BUILD_ID } else { 0 };
        let has_defects = if kernel.defects.is_empty() { 0 } else { HAS_DEFECTS };
        let raw = out.raw(Column::Kernels);
        raw.push(has_build_id | has_defects | kernel.model.pointer_size << 1 | big);
        if !kernel.defects.is_empty() {
            raw.push(kernel.defects.bits());
        }
        out.uint(Column::Kernels, kernel.size);
        let hashes = out.raw(Column::Hashes);
        hashes.extend_from_slice(&kernel.sha256);
        hashes.extend(kernel.build_id.iter().flat_map(BuildId::as_bytes));
    }
}

/// Writes what is known of the kernels apart from their types; nothing if that is nothing.
pub(super) fn write_facts<'k>(out: &mut Columns, kernels: impl Iterator<Item = &'k KernelRecord>) {
    let byte = |kernel: &KernelRecord| {
        let ships_btf = kernel.ships_btf as u8;
        ships_btf | if kernel.has_modules { HAS_MODULES } else { 0 }
    };
    let bytes: Vec<u8> = kernels.map(byte).collect();
    if bytes.iter().any(|&byte| byte != 0) {
        out.raw(Column::KernelFacts).extend(bytes);
    }
}

/// Reads what is known of a kernel apart from its types; a file may know nothing of all.
fn read_facts(columns: &mut Reader, is_known: bool) -> Result<(ShipsBtf, bool), HubFileError> {
    let column = Column::KernelFacts;
    let byte = if is_known { columns.byte(column)? } else { 0 };
    let ships_btf = [ShipsBtf::Unknown, ShipsBtf::No, ShipsBtf::Yes];
    let ships_btf = ships_btf.get(usize::from(byte & SHIPS_BTF));
    match ships_btf.filter(|_| byte & !(SHIPS_BTF | HAS_MODULES) == 0) {
        Some(&ships_btf) => Ok((ships_btf, byte & HAS_MODULES != 0)),
        None => Err(column.malformed("flags")),
    }
}

/// Reads the kernel table; no two kernels share an id, and no two sources a build id.
pub(super) fn read(columns: &mut Reader) -> Result<Vec<KernelRecord>, HubFileError> {
    let column = Column::Kernels;
    let has_facts = columns.left(Column::KernelFacts) != 0;
    let mut kernels: Vec<KernelRecord> = Vec::new();
    while columns.left(column) != 0 {
        let id = columns.text(column)?;
        let id = std::str::from_utf8(id).ok().and_then(|id| id.parse::<KernelId>().ok());
        let id = id.ok_or_else(|| column.malformed("kernel ids"))?;
        let provenance = String::from_utf8_lossy(columns.text(column)?).into_owned();
        let flags = columns.byte(column)?;
        let endian = if flags & 1 == 0 { Endian::Little } else { Endian::Big };
        let pointer_size = (flags & !(HAS_BUILD_ID | HAS_DEFECTS)) >> 1;
        if !matches!(pointer_size, 4 | 8) {
            return Err(column.malformed("pointer sizes"));
        }
        let defects = if flags & HAS_DEFECTS != 0 { columns.byte(column)? } else { 0 };
        let defects = Defects::from_bits(defects).ok_or_else(|| column.malformed("defects"))?;
        let size = columns.uint(column)?;
        let sha256 = hash(columns)?;
        let build_id =
            if flags & HAS_BUILD_ID != 0 { Some(BuildId::from_bytes(hash(columns)?)) } else { None };
        let (ships_btf, has_modules) = read_facts(columns, has_facts)?;
        kernels.push(KernelRecord {
            id,
            model: DataModel { endian, pointer_size },
            provenance,
            sha256,
            size,
            build_id,
            defects,
            ships_btf,
            has_modules,
        });
        if kernels.len() > MAX_KERNELS {
            return Err(HubFileError::TooLarge { what: "kernels" });
        }
    }
    columns.end()?;
    let mut ids = HashSet::new();
    if !kernels.iter().all(|kernel| ids.insert(&kernel.id)) {
        return Err(column.malformed("kernel ids"));
    }
    let mut sources = HashMap::new();
    for KernelRecord { build_id, sha256, .. } in &kernels {
        if build_id.is_some_and(|id| sources.insert(id, sha256).is_some_and(|other| other != sha256)) {
            return Err(Column::Hashes.malformed("build ids"));
        }
    }
    Ok(kernels)
}

fn hash<const LEN: usize>(columns: &mut Reader) -> Result<[u8; LEN], HubFileError> {
    let mut hash = [0; LEN];
    for byte in &mut hash {
        *byte = columns.byte(Column::Hashes)?;
    }
    Ok(hash)
}
