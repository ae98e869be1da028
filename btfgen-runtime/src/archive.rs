//! Archive: the embedded index of kernel ids and the groups of minimized BTFs (blobs), read in place.

use crate::error::ArchiveError;
use crate::wire::{self, MAX_BLOB, MAX_IDS, MAX_INDEX};
use crate::{KernelId, ObjectDigest, group, kernel_id, unpack};

/// An archive whose index is decoded; a blob is put together from its group on demand.
///
/// ```no_run
/// let bytes = std::fs::read("btfgen.archive")?;
/// let archive = btfgen_runtime::Archive::open(&bytes)?;
/// for kernel in archive.kernels() {
///     println!("{kernel}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Archive<'a> {
    groups: Vec<Group<'a>>,
    /// Number of blobs of all groups.
    blobs: usize,
    entries: Vec<Entry>,
    /// The kernel ids, one after the other.
    ids: String,
    objects: Vec<[u8; ObjectDigest::LEN]>,
}

struct Group<'a> {
    raw_len: usize,
    frame: &'a [u8],
    /// Number of its blobs.
    blobs: usize,
}

struct Entry {
    start: usize,
    end: usize,
    blob: usize,
}

impl<'a> Archive<'a> {
    /// Decodes the index; no blob is looked at.
    ///
    /// # Errors
    /// When the bytes are no archive, are of another version, or the index is damaged.
    pub fn open(bytes: &'a [u8]) -> Result<Self, ArchiveError> {
        let mut rest = bytes.strip_prefix(&wire::MAGIC).ok_or(ArchiveError::NotAnArchive)?;
        match rest.split_first() {
            Some((&wire::VERSION, tail)) => rest = tail,
            Some((&other, _)) => return Err(ArchiveError::Version(other)),
            None => return Err(ArchiveError::Truncated),
        }
        let raw_len = take_len(&mut rest, MAX_INDEX).ok_or(ArchiveError::Index("length"))?;
        let len = take_len(&mut rest, MAX_INDEX).ok_or(ArchiveError::Index("length"))?;
        let (frame, groups) = rest.split_at_checked(len).ok_or(ArchiveError::Truncated)?;
        let index = unpack::frame(frame, raw_len).ok_or(ArchiveError::Index("checksum"))?;
        decode_index(&index, groups).map_err(ArchiveError::Index)
    }

    /// Number of kernels.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no kernel is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The kernel ids, series by series, and within a series by number.
    pub fn kernels(&self) -> impl Iterator<Item = KernelId> + '_ {
        self.ids().filter_map(|id| id.parse().ok())
    }

    /// The kernel ids as text, in the order of [`Archive::kernels`].
    pub fn ids(&self) -> impl Iterator<Item = &str> + '_ {
        self.entries.iter().map(|entry| self.id(entry))
    }

    /// Number of distinct blobs.
    pub fn blob_count(&self) -> usize {
        self.blobs
    }

    /// The number of a kernel's blob: equal for two kernels exactly when their minimized BTFs are equal.
    pub fn blob_of(&self, kernel: &KernelId) -> Option<usize> {
        self.entries.iter().find(|entry| self.id(entry) == kernel.as_str()).map(|entry| entry.blob)
    }

    /// Number of groups of blobs; a look-up decodes one.
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// The digests of the objects that the archive was made for, ascending.
    pub fn objects(&self) -> impl Iterator<Item = ObjectDigest> + '_ {
        self.objects.iter().copied().map(ObjectDigest::from_bytes)
    }

    /// A kernel's minimized BTF, or `None` when the archive does not hold the kernel.
    ///
    /// # Errors
    /// When the blob's group is damaged.
    pub fn get(&self, kernel: &KernelId) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.blob_of(kernel).map(|number| self.blob(number)).transpose()
    }

    /// A blob by its number.
    ///
    /// # Errors
    /// When there is no such blob or its group is damaged.
    pub fn blob(&self, number: usize) -> Result<Vec<u8>, ArchiveError> {
        let mut place = number;
        for group in &self.groups {
            if let Some(after) = place.checked_sub(group.blobs) {
                place = after;
                continue;
            }
            let raw = unpack::frame(group.frame, group.raw_len);
            return raw
                .and_then(|raw| group::assemble(&raw, group.blobs, place..place + 1)?.pop()?)
                .ok_or(ArchiveError::Blob(number));
        }
        Err(ArchiveError::Blob(number))
    }

    /// All blobs in the order of their numbers; each group is decoded once.
    pub fn blobs(&self) -> impl Iterator<Item = Result<Vec<u8>, ArchiveError>> + '_ {
        let raws = self.groups.iter().map(|group| (group.blobs, unpack::frame(group.frame, group.raw_len)));
        let blobs = raws.flat_map(|(blobs, raw)| {
            (0..blobs).step_by(AT_ONCE).flat_map(move |first| {
                let wanted = first..blobs.min(first + AT_ONCE);
                let some = raw.as_deref().and_then(|raw| group::assemble(raw, blobs, wanted.clone()));
                some.unwrap_or_else(|| vec![None; wanted.len()])
            })
        });
        blobs.enumerate().map(|(number, blob)| blob.ok_or(ArchiveError::Blob(number)))
    }

    /// Puts every blob together, which checks every checksum.
    ///
    /// # Errors
    /// When a group is damaged.
    pub fn verify(&self) -> Result<(), ArchiveError> {
        self.blobs().try_for_each(|blob| blob.map(drop))
    }

    fn id(&self, entry: &Entry) -> &str {
        self.ids.get(entry.start..entry.end).unwrap_or_default()
    }
}

impl std::fmt::Debug for Archive<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Archive {{ kernels: {}, blobs: {}, groups: {} }}",
            self.len(),
            self.blobs,
            self.groups.len()
        )
    }
}

/// How many blobs are put together at once where all are wanted.
const AT_ONCE: usize = 32;

/// Takes a length that may not exceed `max`.
#[inline(never)]
fn take_len(rest: &mut &[u8], max: usize) -> Option<usize> {
    let len = usize::try_from(wire::take_varint(rest)?).ok()?;
    (len <= max).then_some(len)
}

/// Takes a count of things that each take at least one of the bytes that follow, so that it bounds memory.
#[inline(never)]
fn take_count(rest: &mut &[u8]) -> Option<usize> {
    let count = usize::try_from(wire::take_varint(rest)?).ok()?;
    (count <= rest.len()).then_some(count)
}

fn decode_index<'a>(index: &[u8], frames: &'a [u8]) -> Result<Archive<'a>, &'static str> {
    let rest = &mut &*index;
    let objects = take_objects(rest).ok_or("objects")?;
    let groups = take_groups(rest, frames).ok_or("groups")?;
    let blobs = groups.iter().map(|group| group.blobs).sum();
    let mut archive = Archive { groups, blobs, entries: Vec::new(), ids: String::new(), objects };
    take_entries(rest, &mut archive).ok_or("entries")?;
    if !rest.is_empty() {
        return Err("trailing bytes");
    }
    Ok(archive)
}

fn take_objects(rest: &mut &[u8]) -> Option<Vec<[u8; ObjectDigest::LEN]>> {
    let count = take_count(rest)?;
    let (digests, tail) = rest.split_at_checked(count.checked_mul(ObjectDigest::LEN)?)?;
    *rest = tail;
    let (digests, _) = digests.as_chunks();
    digests.is_sorted_by(|a, b| a < b).then(|| digests.to_vec())
}

fn take_groups<'a>(rest: &mut &[u8], mut frames: &'a [u8]) -> Option<Vec<Group<'a>>> {
    let count = take_count(rest)?;
    let mut groups = Vec::with_capacity(count);
    for _ in 0..count {
        let raw_len = take_len(rest, MAX_BLOB)?;
        let len = take_len(rest, usize::MAX)?;
        let blobs = take_count(rest)?;
        let (frame, tail) = frames.split_at_checked(len)?;
        groups.push(Group { raw_len, frame, blobs });
        frames = tail;
    }
    frames.is_empty().then_some(groups)
}

fn take_entries(rest: &mut &[u8], archive: &mut Archive<'_>) -> Option<()> {
    let count = take_count(rest)?;
    let mut templates: Vec<&[u8]> = Vec::with_capacity(count);
    for _ in 0..count {
        let end = rest.iter().position(|&b| b == wire::TEMPLATE_END)?;
        let (template, tail) = rest.split_at(end);
        if templates.last().is_some_and(|&last| last >= template) {
            return None;
        }
        templates.push(template);
        *rest = tail.get(1..)?;
    }
    let mut sizes = Vec::with_capacity(count);
    for _ in 0..count {
        sizes.push(take_count(rest)?);
    }
    let mut ids = Vec::new();
    for (template, &entries) in templates.iter().zip(&sizes) {
        let width = template.iter().filter(|&&b| b == wire::NUMBER).count();
        let columns = take_columns(rest, width, entries)?;
        let (mut numbers, mut before) = (Vec::new(), Vec::new());
        for row in 0..entries {
            std::mem::swap(&mut numbers, &mut before);
            numbers.clear();
            for column in 0..width {
                numbers.push(*columns.get(column * entries + row)?);
            }
            // Entries are sorted and none stands twice.
            if row > 0 && numbers <= before {
                return None;
            }
            let start = ids.len();
            push_id(&mut ids, template, &numbers);
            if ids.len() - start > KernelId::MAX_LEN || ids.len() > MAX_IDS {
                return None;
            }
            // Numbers make no difference to what an id may be, so that one of each template is enough.
            if row == 0 && kernel_id::slashes(std::str::from_utf8(ids.get(start..)?).ok()?).is_none() {
                return None;
            }
            archive.entries.push(Entry { start, end: ids.len(), blob: 0 });
        }
    }
    archive.ids = String::from_utf8(ids).ok()?;
    // Every blob is some kernel's, which bounds what reading all of them takes.
    if archive.blobs > archive.entries.len() {
        return None;
    }
    let mut blob = 0;
    for at in 0..archive.entries.len() {
        blob = wire::apply_delta(blob, wire::take_varint(rest)?);
        let number = usize::try_from(blob).ok().filter(|number| *number < archive.blobs)?;
        archive.entries.get_mut(at)?.blob = number;
    }
    Some(())
}

/// The numbers of a template's entries, column by column.
fn take_columns(rest: &mut &[u8], width: usize, entries: usize) -> Option<Vec<u32>> {
    let total = width.checked_mul(entries).filter(|&total| total <= rest.len())?;
    let mut columns = Vec::with_capacity(total);
    for _ in 0..width {
        let mut value = 0;
        for _ in 0..entries {
            value = wire::apply_delta(value, wire::take_varint(rest)?);
            columns.push(value);
        }
    }
    Some(columns)
}

#[inline(never)]
fn push_id(ids: &mut Vec<u8>, template: &[u8], numbers: &[u32]) {
    let mut numbers = numbers.iter();
    for (at, text) in template.split(|byte| *byte == wire::NUMBER).enumerate() {
        if at > 0 {
            wire::push_number(ids, numbers.next().copied().unwrap_or_default());
        }
        ids.extend_from_slice(text);
    }
}
