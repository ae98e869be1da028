//! Archive: writes what `btfgen_runtime::Archive` reads, and the same kernels as a folder tree.
//!
//! `docs/archive.md` has the layout. Here is what a writer chooses: the order of the blobs, which types share a slot, and
//! the compression.

mod encode;
mod slots;

use std::collections::{BTreeMap, BTreeSet};

use btfgen_runtime::wire::{self, MAX_DEFINITIONS, MAX_INDEX};
use btfgen_runtime::{Archive, BuildIdPrefix, KernelId, ObjectDigest};

use self::slots::Slots;
use crate::btf::{Btf, BtfError, Endian};
use crate::report::BlobId;

/// A kernel of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The kernel.
    pub kernel: KernelId,
    /// Its minimized BTF.
    pub blob: BlobId,
    /// Its build id; `None` if it is not stored.
    pub build_id: Option<BuildIdPrefix>,
}

impl Entry {
    /// An entry without a build id.
    pub fn new(kernel: KernelId, blob: BlobId) -> Self {
        Self { kernel, blob, build_id: None }
    }
}

/// Why an archive cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// A kernel is listed twice.
    #[error("kernel {kernel} is listed twice")]
    Duplicate {
        /// The kernel's id.
        kernel: KernelId,
    },
    /// A kernel refers to a missing blob.
    #[error("kernel {kernel} refers to blob {blob} of {blobs}")]
    NoSuchBlob {
        /// The kernel's id.
        kernel: KernelId,
        /// The blob's number.
        blob: usize,
        /// How many blobs there are.
        blobs: usize,
    },
    /// A blob is malformed.
    #[error("kernel {kernel}: minimized BTF is malformed")]
    NoBtf {
        /// A kernel that refers to the blob.
        kernel: KernelId,
        /// What is wrong with it.
        source: BtfError,
    },
    /// The blobs' distinct definitions are larger than a reader accepts.
    #[error("the definitions of {blobs} minimized BTFs have {len} bytes; an archive can have at most {max}", max = MAX_DEFINITIONS)]
    DefinitionsSize {
        /// How many distinct blobs there are.
        blobs: usize,
        /// The definitions' length in bytes.
        len: usize,
    },
    /// The index is larger than a reader accepts.
    #[error("the index of {kernels} kernels has {len} bytes; an archive can have at most {max}", max = MAX_INDEX)]
    IndexSize {
        /// How many kernels there are.
        kernels: usize,
        /// The index's length in bytes.
        len: usize,
    },
    /// The compressor failed.
    #[error("cannot compress the archive")]
    Compress(#[source] std::io::Error),
    /// The written archive cannot be read back.
    #[error("the written archive cannot be read back")]
    Reopen(#[source] btfgen_runtime::ArchiveError),
    /// The written archive has another BTF or build id for a kernel than the ones it was made from.
    #[error("kernel {kernel}: the entry in the written archive differs from the one it was made from")]
    Differs {
        /// The kernel's id.
        kernel: KernelId,
    },
}

/// Writes an archive of `entries`, whose minimized BTFs are in `blobs`, for the objects with the digests `objects`.
///
/// The bytes do not depend on the order of the inputs. Equal blobs are stored once; unused blobs are skipped. The result
/// is reopened and compared before it is returned. `level` is zstd's, 1 to 22.
///
/// Blobs must be laid out as [`btf::Writer`](crate::btf::Writer) does it: types, then strings, each once and in the
/// order of their first use.
///
/// # Errors
/// When a kernel is listed twice, a blob is missing or not a BTF of that layout, or when the archive is too large for a reader.
///
/// ```
/// use btfgen_core::{archive, btf};
/// let mut minimized = btf::Writer::new(btf::Endian::Little);
/// minimized.int(b"long int", 8, 1, 0, 64)?;
/// let minimized = minimized.finish()?;
/// let entry = archive::Entry::new("debian/12/x86_64/6.1.0-50-amd64".parse()?, btfgen_core::report::BlobId(0));
/// let bytes = archive::write(&[entry.clone()], &[minimized.clone()], &[], 19)?;
/// assert_eq!(btfgen_runtime::Archive::open(&bytes)?.get(&entry.kernel)?, Some(minimized));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write(
    entries: &[Entry],
    blobs: &[impl AsRef<[u8]>],
    objects: &[ObjectDigest],
    level: i32,
) -> Result<Vec<u8>, ArchiveError> {
    let contents = collect(entries, blobs)?;
    let blobs = distinct(&contents)?;
    let mut slots = Slots::default();
    for blob in &blobs {
        slots.add(&blob.btf).map_err(|source| blob.malformed(source))?;
    }
    let definitions = encode::encode(&slots);
    if definitions.len() > MAX_DEFINITIONS {
        return Err(ArchiveError::DefinitionsSize { blobs: blobs.len(), len: definitions.len() });
    }
    let index = index(&contents, &blobs, objects);
    if index.len() > MAX_INDEX {
        return Err(ArchiveError::IndexSize { kernels: contents.len(), len: index.len() });
    }
    let index = compress(&index, level).map_err(ArchiveError::Compress)?;
    let definitions = compress(&definitions, level).map_err(ArchiveError::Compress)?;

    let mut out = [wire::MAGIC.as_slice(), &[wire::VERSION]].concat();
    push_len(&mut out, index.len());
    push_len(&mut out, definitions.len());
    out.extend(index);
    out.extend(definitions);
    compare(&out, &contents)?;
    Ok(out)
}

/// What an archive stores for a kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Content<'a> {
    blob: &'a [u8],
    build_id: Option<BuildIdPrefix>,
}

/// Each kernel with its content, sorted by kernel.
fn collect<'a>(
    entries: &[Entry],
    blobs: &'a [impl AsRef<[u8]>],
) -> Result<BTreeMap<KernelId, Content<'a>>, ArchiveError> {
    let mut contents = BTreeMap::new();
    for Entry { kernel, blob: BlobId(number), build_id } in entries {
        let kernel = kernel.clone();
        let Some(blob) = blobs.get(*number).map(AsRef::as_ref) else {
            return Err(ArchiveError::NoSuchBlob { kernel, blob: *number, blobs: blobs.len() });
        };
        if contents.contains_key(&kernel) {
            return Err(ArchiveError::Duplicate { kernel });
        }
        contents.insert(kernel, Content { blob, build_id: *build_id });
    }
    Ok(contents)
}

/// A distinct blob, and a kernel to name when it is malformed.
struct Blob<'a> {
    kernel: &'a KernelId,
    bytes: &'a [u8],
    btf: Btf<'a>,
}

impl Blob<'_> {
    fn malformed(&self, source: BtfError) -> ArchiveError {
        ArchiveError::NoBtf { kernel: self.kernel.clone(), source }
    }
}

/// The distinct blobs in the order of their numbers: little-endian ones first, each part in the order of first use, so
/// that similar kernels' blobs are next to each other.
fn distinct<'a>(contents: &'a BTreeMap<KernelId, Content<'a>>) -> Result<Vec<Blob<'a>>, ArchiveError> {
    let mut known = BTreeSet::new();
    let mut blobs = Vec::new();
    for (kernel, &Content { blob: bytes, .. }) in contents {
        if known.insert(bytes) {
            let no_btf = |source| ArchiveError::NoBtf { kernel: kernel.clone(), source };
            blobs.push(Blob { kernel, bytes, btf: Btf::parse(bytes).map_err(no_btf)? });
        }
    }
    blobs.sort_by_key(|blob| blob.btf.endian() == Endian::Big);
    Ok(blobs)
}

/// The index, not yet compressed.
fn index(
    contents: &BTreeMap<KernelId, Content<'_>>,
    blobs: &[Blob<'_>],
    objects: &[ObjectDigest],
) -> Vec<u8> {
    let mut out = Vec::new();
    let objects: BTreeSet<ObjectDigest> = objects.iter().copied().collect();
    push_len(&mut out, objects.len());
    out.extend(objects.into_iter().flat_map(ObjectDigest::to_bytes));
    let little = blobs.iter().filter(|blob| blob.btf.endian() == Endian::Little).count();
    push_len(&mut out, little);
    push_len(&mut out, blobs.len() - little);
    push_len(&mut out, contents.len());
    for kernel in contents.keys() {
        out.extend_from_slice(kernel.as_str().as_bytes());
        out.push(0);
    }
    let numbers: BTreeMap<&[u8], u32> = blobs.iter().map(|blob| blob.bytes).zip(0..).collect();
    let mut before = 0;
    for content in contents.values() {
        let number = numbers.get(content.blob).copied().unwrap_or(0);
        wire::push_varint(&mut out, wire::delta(before, number).into());
        before = number;
    }
    out.extend(contents.values().map(|content| u8::from(content.build_id.is_some())));
    for build_id in contents.values().filter_map(|content| content.build_id) {
        out.extend_from_slice(build_id.as_bytes());
    }
    out
}

/// A zstd frame with its content's size and checksum.
fn compress(bytes: &[u8], level: i32) -> std::io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(level)?;
    compressor.include_checksum(true)?;
    compressor.include_contentsize(true)?;
    compressor.compress(bytes)
}

fn compare(bytes: &[u8], contents: &BTreeMap<KernelId, Content<'_>>) -> Result<(), ArchiveError> {
    let archive = Archive::open(bytes).map_err(ArchiveError::Reopen)?;
    let blobs = archive
        .blobs()
        .and_then(|blobs| blobs.collect::<Result<Vec<_>, _>>())
        .map_err(ArchiveError::Reopen)?;
    let mut seen = 0;
    for kernel in archive.kernels() {
        let blob = archive.blob_of(&kernel).and_then(|number| blobs.get(number));
        let build_id = archive.build_id_of(&kernel);
        let content = blob.map(|blob| Content { blob, build_id });
        if content != contents.get(&kernel).copied() {
            return Err(ArchiveError::Differs { kernel });
        }
        seen += 1;
    }
    match contents.keys().next() {
        Some(kernel) if seen != contents.len() => Err(ArchiveError::Differs { kernel: kernel.clone() }),
        _ => Ok(()),
    }
}

/// Appends a length, which the limits checked above keep within 32 bits.
fn push_len(out: &mut Vec<u8>, len: usize) {
    wire::push_varint(out, len as u64);
}

#[cfg(test)]
mod tests;
