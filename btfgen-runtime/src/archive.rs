//! Archive: the embedded index of kernel ids, and the definitions that their minimized BTFs (blobs) are assembled from.

use std::fmt;
use std::ops::Range;

use crate::build_id::BuildIdPrefix;
use crate::definitions::{BlobId, ByteOrder, Definitions};
use crate::error::ArchiveError;
use crate::wire::{self, MAX_DEFINITIONS, MAX_INDEX, take_u32};
use crate::{KernelId, ObjectDigest, kernel_id, unpack};

/// An archive whose index is decoded; a blob is assembled on demand.
///
/// ```
/// use btfgen_runtime::{Archive, KernelId};
/// # const ARCHIVE: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sample.archive"));
///
/// let archive = Archive::open(ARCHIVE)?;
/// archive.verify()?;
/// assert!(!archive.is_empty());
/// assert_eq!((archive.len(), archive.blob_count(), archive.objects().count()), (3, 2, 1));
///
/// // Kernels with identical minimized BTFs have the same blob.
/// let kernels: Vec<KernelId> = archive.kernels().collect();
/// assert_eq!(archive.blob_of(&kernels[0]), archive.blob_of(&kernels[1]));
///
/// // A kernel's BTF, directly or by the number of its blob. Debian's kernels are known by their strings, and need no build id.
/// let btf = archive.get(&kernels[2])?;
/// assert_eq!(btf, Some(archive.blob(1)?));
/// assert_eq!(archive.blobs()?.last(), btf.map(Ok));
/// assert_eq!(archive.build_id_of(&kernels[2]), None);
/// # Ok::<(), btfgen_runtime::ArchiveError>(())
/// ```
pub struct Archive<'a> {
    index: Index,
    /// The frame of the definitions.
    definitions: &'a [u8],
}

/// The decoded index.
#[derive(Default)]
struct Index {
    objects: Vec<ObjectDigest>,
    /// Number of little-endian blobs; they come before the big-endian ones.
    little: u32,
    /// Number of all blobs.
    blobs: u32,
    /// The kernel ids, one after the other.
    ids: String,
    /// The kernels, ascending by id.
    kernels: Vec<Kernel>,
}

struct Kernel {
    /// Its range in [`Index::ids`].
    id: Range<usize>,
    blob: BlobId,
    build_id: Option<BuildIdPrefix>,
}

impl<'a> Archive<'a> {
    /// Decodes the index; no blob is assembled.
    ///
    /// # Errors
    /// If the bytes are not an archive, have another version, or have a malformed index.
    pub fn open(bytes: &'a [u8]) -> Result<Self, ArchiveError> {
        let mut rest = bytes.strip_prefix(&wire::MAGIC).ok_or(ArchiveError::NotAnArchive)?;
        match rest.split_first() {
            Some((&wire::VERSION, tail)) => rest = tail,
            Some((&other, _)) => return Err(ArchiveError::Version(other)),
            None => return Err(ArchiveError::WrongLength),
        }
        let mut take_len = || take_u32(&mut rest).and_then(|len| usize::try_from(len).ok());
        let index_len = take_len().ok_or(ArchiveError::Index("length"))?;
        let definitions_len = take_len().ok_or(ArchiveError::Index("length"))?;
        let (index, definitions) = rest.split_at_checked(index_len).ok_or(ArchiveError::WrongLength)?;
        if definitions.len() != definitions_len {
            return Err(ArchiveError::WrongLength);
        }
        let index = unpack::frame(index, MAX_INDEX).ok_or(ArchiveError::Index("checksum"))?;
        Ok(Self { index: Index::parse(&index).map_err(ArchiveError::Index)?, definitions })
    }

    /// Number of kernels.
    pub fn len(&self) -> usize {
        self.index.kernels.len()
    }

    /// Whether the archive has no kernel.
    pub fn is_empty(&self) -> bool {
        self.index.kernels.is_empty()
    }

    /// The kernel ids, ascending.
    pub fn kernels(&self) -> impl Iterator<Item = KernelId> + '_ {
        self.entries().filter_map(|(id, _)| id.parse().ok())
    }

    /// The kernel ids as text, ascending, and the kernels' build ids.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, Option<BuildIdPrefix>)> {
        self.index.kernels.iter().map(|kernel| (self.index.id(kernel), kernel.build_id))
    }

    /// Number of distinct blobs.
    pub fn blob_count(&self) -> usize {
        self.index.blobs as usize
    }

    /// The number of a kernel's blob; kernels with identical minimized BTFs, and only these, have the same number.
    pub fn blob_of(&self, kernel: &KernelId) -> Option<usize> {
        self.index.find(kernel).map(|kernel| kernel.blob.0 as usize)
    }

    /// A kernel's build id; `None` if the archive does not have it.
    pub fn build_id_of(&self, kernel: &KernelId) -> Option<BuildIdPrefix> {
        self.index.find(kernel)?.build_id
    }

    /// The digests of the objects that the archive was built for, ascending.
    pub fn objects(&self) -> impl Iterator<Item = ObjectDigest> + '_ {
        self.index.objects.iter().copied()
    }

    /// A kernel's minimized BTF; `None` if the archive does not have the kernel.
    ///
    /// # Errors
    /// If the definitions are malformed.
    pub fn get(&self, kernel: &KernelId) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.blob_of(kernel).map(|number| self.blob(number)).transpose()
    }

    /// A blob by its number.
    ///
    /// # Errors
    /// If there is no such blob, or the definitions are malformed.
    pub fn blob(&self, number: usize) -> Result<Vec<u8>, ArchiveError> {
        self.assemble(&self.definitions()?, number)
    }

    /// All blobs in the order of their numbers. The definitions are decoded once.
    ///
    /// # Errors
    /// If the definitions are malformed.
    pub fn blobs(&self) -> Result<impl Iterator<Item = Result<Vec<u8>, ArchiveError>> + '_, ArchiveError> {
        let definitions = self.definitions()?;
        Ok((0..self.blob_count()).map(move |number| self.assemble(&definitions, number)))
    }

    /// Assembles every blob, one at a time.
    ///
    /// # Errors
    /// If the definitions or one of the blobs are malformed.
    pub fn verify(&self) -> Result<(), ArchiveError> {
        self.blobs()?.try_for_each(|blob| blob.map(drop))
    }

    fn definitions(&self) -> Result<Definitions, ArchiveError> {
        unpack::frame(self.definitions, MAX_DEFINITIONS)
            .and_then(|raw| Definitions::parse(&raw, self.index.blobs))
            .ok_or(ArchiveError::Definitions)
    }

    fn assemble(&self, definitions: &Definitions, number: usize) -> Result<Vec<u8>, ArchiveError> {
        let missing = ArchiveError::Blob(number);
        let Ok(id) = u32::try_from(number) else { return Err(missing) };
        let order = if id < self.index.little { ByteOrder::Little } else { ByteOrder::Big };
        definitions.assemble(BlobId(id), order).filter(|_| id < self.index.blobs).ok_or(missing)
    }
}

impl fmt::Debug for Archive<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive").field("kernels", &self.len()).field("blobs", &self.index.blobs).finish()
    }
}

impl Index {
    /// Parses an index; an error names the malformed part.
    fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut index = Self::default();
        let rest = &mut &*bytes;
        index.take_objects(rest).ok_or("objects")?;
        index.take_blob_counts(rest).ok_or("blobs")?;
        index.take_ids(rest).ok_or("kernels")?;
        index.take_blob_ids(rest).ok_or("blobs")?;
        index.take_build_ids(rest).ok_or("build ids")?;
        if rest.is_empty() { Ok(index) } else { Err("trailing bytes") }
    }

    fn id(&self, kernel: &Kernel) -> &str {
        self.ids.get(kernel.id.clone()).unwrap_or_default()
    }

    fn find(&self, wanted: &KernelId) -> Option<&Kernel> {
        let found = self.kernels.binary_search_by(|kernel| self.id(kernel).cmp(wanted.as_str())).ok()?;
        self.kernels.get(found)
    }

    fn take_objects(&mut self, rest: &mut &[u8]) -> Option<()> {
        for _ in 0..take_u32(rest)? {
            let (digest, tail) = rest.split_first_chunk()?;
            *rest = tail;
            self.objects.push(ObjectDigest::from_bytes(*digest));
        }
        self.objects.is_sorted_by(|a, b| a < b).then_some(())
    }

    fn take_blob_counts(&mut self, rest: &mut &[u8]) -> Option<()> {
        self.little = take_u32(rest)?;
        self.blobs = self.little.checked_add(take_u32(rest)?)?;
        Some(())
    }

    fn take_ids(&mut self, rest: &mut &[u8]) -> Option<()> {
        for _ in 0..take_u32(rest)? {
            let len = rest.iter().position(|byte| *byte == 0)?;
            let (id, tail) = rest.split_at_checked(len)?;
            *rest = tail.get(1..)?;
            let id = std::str::from_utf8(id).ok()?;
            let is_ascending = self.kernels.last().is_none_or(|last| self.id(last) < id);
            if !kernel_id::is_kernel_id(id) || !is_ascending {
                return None;
            }
            let start = self.ids.len();
            self.ids.push_str(id);
            self.kernels.push(Kernel { id: start..self.ids.len(), blob: BlobId(0), build_id: None });
        }
        // Every blob belongs to a kernel. This bounds the time to assemble all of them.
        (self.blobs as usize <= self.kernels.len()).then_some(())
    }

    fn take_blob_ids(&mut self, rest: &mut &[u8]) -> Option<()> {
        let mut blob = 0;
        for kernel in &mut self.kernels {
            blob = wire::apply_delta(blob, take_u32(rest)?);
            if blob >= self.blobs {
                return None;
            }
            kernel.blob = BlobId(blob);
        }
        Some(())
    }

    fn take_build_ids(&mut self, rest: &mut &[u8]) -> Option<()> {
        let (flags, tail) = rest.split_at_checked(self.kernels.len())?;
        *rest = tail;
        for (kernel, flag) in self.kernels.iter_mut().zip(flags) {
            kernel.build_id = match flag {
                0 => None,
                1 => {
                    let (build_id, tail) = rest.split_first_chunk()?;
                    *rest = tail;
                    Some(BuildIdPrefix::from_bytes(*build_id))
                }
                _ => return None,
            };
        }
        Some(())
    }
}
