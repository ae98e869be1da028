//! Archive: writes what `btfgen_runtime::Archive` reads, and the same kernels as a folder tree.
//!
//! The layout is the reader's, `btfgen_runtime::wire`; here stands only what a writer chooses: the order of
//! the blobs, the cut into groups, which types share a slot there, and the compression.

mod columns;
mod group;
mod index;
mod lineage;
mod slots;

use std::collections::{BTreeMap, BTreeSet};

use btfgen_runtime::wire::{self, MAX_BLOB, MAX_INDEX};
use btfgen_runtime::{Archive, KernelId, ObjectDigest};

use crate::btf::{Btf, BtfError};

/// Why an archive cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// A kernel stands twice.
    #[error("kernel {kernel} stands twice")]
    Duplicate {
        /// The kernel's id.
        kernel: KernelId,
    },
    /// A kernel refers to a blob that is not there.
    #[error("kernel {kernel} refers to blob {blob} of {blobs}")]
    NoSuchBlob {
        /// The kernel's id.
        kernel: KernelId,
        /// The blob's number.
        blob: usize,
        /// How many blobs there are.
        blobs: usize,
    },
    /// A blob is no BTF.
    #[error("the minimized btf of kernel {kernel} is none")]
    NoBtf {
        /// A kernel that refers to the blob.
        kernel: KernelId,
        /// What is wrong with it.
        source: BtfError,
    },
    /// A blob is larger than a reader accepts.
    #[error("the minimized btf of kernel {kernel} has {len} bytes, an archive takes at most {max}", max = MAX_BLOB)]
    BlobSize {
        /// A kernel that refers to the blob.
        kernel: KernelId,
        /// The blob's length in bytes.
        len: usize,
    },
    /// The index is larger than a reader accepts.
    #[error("the index of {kernels} kernels has {len} bytes, an archive takes at most {max}", max = MAX_INDEX)]
    IndexSize {
        /// How many kernels there are.
        kernels: usize,
        /// The index's length in bytes.
        len: usize,
    },
    /// The compressor failed.
    #[error("compressing the archive")]
    Compress(#[source] std::io::Error),
    /// What was written cannot be read back.
    #[error("the written archive cannot be read back")]
    Reopen(#[source] btfgen_runtime::ArchiveError),
    /// What was written reads back otherwise.
    #[error("the written archive reads back another btf for kernel {kernel}")]
    Differs {
        /// The kernel's id.
        kernel: KernelId,
    },
}

/// Writes an archive: `entries` name for each kernel the blob of `blobs` that is its minimized BTF, `objects` what it was
/// made for.
///
/// The bytes depend on the objects, kernels and blobs alone, not on the order of any; equal ones are stored
/// once and unused ones left out. The result is reopened and compared before it is returned. `level` is zstd's,
/// 1 to 22.
///
/// Blobs must be laid out as [`btf::Writer`](crate::btf::Writer) does it: types, then strings, each once and in the
/// order of their first use.
///
/// # Errors
/// When a kernel stands twice, a blob is missing, no BTF of that layout or above 16 MB.
///
/// ```
/// use btfgen_core::{archive, btf};
/// let mut minimized = btf::Writer::new(btf::Endian::Little);
/// minimized.int(b"long int", 8, 1, 0, 64)?;
/// let minimized = minimized.finish()?;
/// let kernels = [("debian/12/x86_64/6.1.0-50-amd64".parse()?, 0)];
/// let bytes = archive::write(&kernels, &[minimized.clone()], &[], 19)?;
/// assert_eq!(btfgen_runtime::Archive::open(&bytes)?.get(&kernels[0].0)?, Some(minimized));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write(
    entries: &[(KernelId, usize)],
    blobs: &[impl AsRef<[u8]>],
    objects: &[ObjectDigest],
    level: i32,
) -> Result<Vec<u8>, ArchiveError> {
    let contents = collect(entries, blobs)?;
    let series = index::series(&contents);
    let order = in_order(&series);
    let parsed = parse(&contents)?;
    let members: Vec<&group::Member<'_, '_>> = order.iter().filter_map(|blob| parsed.get(blob)).collect();
    let pieces = group::cut(&members)?;
    let numbers = pieces.iter().flat_map(|piece| &piece.btfs).map(|&place| order[place]).zip(0..).collect();
    let groups = group::compress_all(&pieces, level).map_err(ArchiveError::Compress)?;

    let mut raw = Vec::new();
    let objects: BTreeSet<ObjectDigest> = objects.iter().copied().collect();
    push_len(&mut raw, objects.len());
    raw.extend(objects.into_iter().flat_map(ObjectDigest::to_bytes));
    push_len(&mut raw, groups.len());
    for group in &groups {
        push_len(&mut raw, group.raw_len);
        push_len(&mut raw, group.frame.len());
        push_len(&mut raw, group.btfs);
    }
    index::push_entries(&mut raw, &series, &numbers);
    if raw.len() > MAX_INDEX {
        return Err(ArchiveError::IndexSize { kernels: contents.len(), len: raw.len() });
    }

    let index = group::compress(&[], &raw, level).map_err(ArchiveError::Compress)?;
    let mut out = wire::MAGIC.to_vec();
    out.push(wire::VERSION);
    push_len(&mut out, raw.len());
    push_len(&mut out, index.len());
    out.extend_from_slice(&index);
    for group in &groups {
        out.extend_from_slice(&group.frame);
    }
    compare(&out, &contents)?;
    Ok(out)
}

/// Each kernel with its blob's content, sorted by kernel.
fn collect<'a>(
    entries: &[(KernelId, usize)],
    blobs: &'a [impl AsRef<[u8]>],
) -> Result<BTreeMap<KernelId, &'a [u8]>, ArchiveError> {
    let mut contents = BTreeMap::new();
    for (kernel, number) in entries {
        let kernel = kernel.clone();
        let Some(blob) = blobs.get(*number).map(AsRef::as_ref) else {
            return Err(ArchiveError::NoSuchBlob { kernel, blob: *number, blobs: blobs.len() });
        };
        if blob.len() > MAX_BLOB {
            return Err(ArchiveError::BlobSize { kernel, len: blob.len() });
        }
        if contents.contains_key(&kernel) {
            return Err(ArchiveError::Duplicate { kernel });
        }
        contents.insert(kernel, blob);
    }
    Ok(contents)
}

/// The distinct blobs in the order of their first use, so that alike kernels' lie side by side.
fn in_order<'a>(series: &[index::Series<'a>]) -> Vec<&'a [u8]> {
    let mut known = BTreeSet::new();
    series
        .iter()
        .flat_map(|series| &series.rows)
        .map(|(_, blob)| *blob)
        .filter(|blob| known.insert(*blob))
        .collect()
}

/// Each distinct blob as a BTF, with the first kernel that refers to it.
fn parse<'a, 'k>(
    contents: &'k BTreeMap<KernelId, &'a [u8]>,
) -> Result<BTreeMap<&'a [u8], group::Member<'a, 'k>>, ArchiveError> {
    let mut parsed = BTreeMap::new();
    for (kernel, blob) in contents {
        if !parsed.contains_key(blob) {
            let no_btf = |source| ArchiveError::NoBtf { kernel: kernel.clone(), source };
            parsed.insert(*blob, group::Member { kernel, btf: Btf::parse(blob).map_err(no_btf)? });
        }
    }
    Ok(parsed)
}

fn compare(bytes: &[u8], contents: &BTreeMap<KernelId, &[u8]>) -> Result<(), ArchiveError> {
    let archive = Archive::open(bytes).map_err(ArchiveError::Reopen)?;
    let blobs = archive.blobs().collect::<Result<Vec<_>, _>>().map_err(ArchiveError::Reopen)?;
    let mut seen = 0;
    for kernel in archive.kernels() {
        let blob = archive.blob_of(&kernel).and_then(|number| blobs.get(number));
        if blob.map(Vec::as_slice) != contents.get(&kernel).copied() {
            return Err(ArchiveError::Differs { kernel });
        }
        seen += 1;
    }
    match contents.keys().next() {
        Some(kernel) if seen != contents.len() => Err(ArchiveError::Differs { kernel: kernel.clone() }),
        _ => Ok(()),
    }
}

/// Appends a length, which the limits checked elsewhere keep within 32 bits.
fn push_len(out: &mut Vec<u8>, len: usize) {
    wire::push_varint(out, u32::try_from(len).unwrap_or(u32::MAX));
}

#[cfg(test)]
mod tests;
