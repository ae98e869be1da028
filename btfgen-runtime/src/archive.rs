//! Archive: the embedded index of kernel ids and the groups of minimized BTFs (blobs), read in place.

use crate::error::ArchiveError;
use crate::wire::{self, MAX_BLOB, MAX_INDEX};
use crate::{KernelId, ObjectDigest, group, kernel_id, unpack};

/// Largest number in a kernel id.
const MAX_NUMBER: u32 = 10u32.pow(wire::MAX_DIGITS as u32) - 1;

/// Length that few kernel ids exceed.
const USUAL_LEN: usize = 64;

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
#[derive(Default)]
pub struct Archive<'a> {
    groups: Vec<Group<'a>>,
    /// Number of blobs of all groups.
    blobs: usize,
    objects: Vec<[u8; ObjectDigest::LEN]>,
    /// The kernels of one template each. Ids are made when they are asked for: a look-up asks for a handful.
    series: Vec<Series>,
    /// The numbers of all ids, one id after the other.
    numbers: Vec<u32>,
    /// The blob of each kernel.
    entries: Vec<u32>,
}

struct Group<'a> {
    raw_len: usize,
    frame: &'a [u8],
    /// Number of its blobs.
    blobs: usize,
}

struct Series {
    template: Box<[u8]>,
    /// How many numbers each of its ids has.
    width: usize,
    /// Number of its kernels.
    kernels: usize,
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
        let mut archive = Self::default();
        archive.take_index(&mut index.as_slice(), groups).map_err(ArchiveError::Index)?;
        Ok(archive)
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
        let mut ids = Vec::with_capacity(self.len());
        self.visit_ending("", &mut |id, _| ids.extend(id.parse()));
        ids.into_iter()
    }

    /// Number of distinct blobs.
    pub fn blob_count(&self) -> usize {
        self.blobs
    }

    /// The number of a kernel's blob: equal for two kernels exactly when their minimized BTFs are equal.
    pub fn blob_of(&self, kernel: &KernelId) -> Option<usize> {
        let mut blob = None;
        self.visit_ending(kernel.as_str(), &mut |id, number| {
            // A shorter id's distribution may end another's.
            if id == kernel.as_str() {
                blob = Some(number);
            }
        });
        blob
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

    /// Visits the kernels whose ids end with a text that begins a part of theirs, with their blobs.
    #[inline(never)]
    pub(crate) fn visit_ending(&self, end: &str, visitor: &mut dyn FnMut(&str, usize)) {
        let (mut template, mut numbers) = (Vec::new(), Vec::new());
        wire::split(end, &mut template, &mut numbers);
        let (mut all, mut entries, mut id) = (self.numbers.as_slice(), self.entries.as_slice(), Vec::new());
        for series in &self.series {
            let fits = series.template.ends_with(&template);
            for _ in 0..series.kernels {
                let (Some((row, rest)), Some((&blob, later))) =
                    (all.split_at_checked(series.width), entries.split_first())
                else {
                    return;
                };
                (all, entries) = (rest, later);
                if fits && row.ends_with(&numbers) {
                    id.clear();
                    push_id(&mut id, &series.template, row);
                    visitor(std::str::from_utf8(&id).unwrap_or_default(), blob as usize);
                }
            }
        }
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

/// What the index says goes straight into the archive: vectors of their own would have to be freed at every error.
impl<'a> Archive<'a> {
    #[inline(never)]
    fn take_index(&mut self, rest: &mut &[u8], frames: &'a [u8]) -> Result<(), &'static str> {
        self.take_objects(rest).ok_or("objects")?;
        self.take_groups(rest, frames).ok_or("groups")?;
        self.take_series(rest).ok_or("entries")?;
        self.take_numbers(rest).ok_or("entries")?;
        self.take_entries(rest).ok_or("entries")?;
        if rest.is_empty() { Ok(()) } else { Err("trailing bytes") }
    }

    fn take_objects(&mut self, rest: &mut &[u8]) -> Option<()> {
        let count = take_count(rest)?;
        let (digests, tail) = rest.split_at_checked(count.checked_mul(ObjectDigest::LEN)?)?;
        *rest = tail;
        let (digests, _) = digests.as_chunks();
        self.objects.extend_from_slice(digests);
        digests.is_sorted_by(|a, b| a < b).then_some(())
    }

    fn take_groups(&mut self, rest: &mut &[u8], mut frames: &'a [u8]) -> Option<()> {
        for _ in 0..take_count(rest)? {
            let raw_len = take_len(rest, MAX_BLOB)?;
            let len = take_len(rest, usize::MAX)?;
            let blobs = take_count(rest)?;
            let (frame, tail) = frames.split_at_checked(len)?;
            self.groups.push(Group { raw_len, frame, blobs });
            self.blobs += blobs;
            frames = tail;
        }
        frames.is_empty().then_some(())
    }

    fn take_series(&mut self, rest: &mut &[u8]) -> Option<()> {
        for _ in 0..take_count(rest)? {
            let (mut len, mut width) = (0, 0);
            while *rest.get(len)? != wire::TEMPLATE_END {
                width += usize::from(rest.get(len) == Some(&wire::NUMBER));
                len += 1;
            }
            let (template, tail) = rest.split_at(len);
            if self.series.last().is_some_and(|last| *last.template >= *template) {
                return None;
            }
            self.series.push(Series { template: template.into(), width, kernels: 0 });
            *rest = tail.get(1..)?;
        }
        for series in &mut self.series {
            series.kernels = take_count(rest)?;
        }
        Some(())
    }

    /// The numbers of all ids; they are stored column by column.
    fn take_numbers(&mut self, rest: &mut &[u8]) -> Option<()> {
        let mut text = 0usize;
        for series in &self.series {
            let (width, start) = (series.width, self.numbers.len());
            let count = width.checked_mul(series.kernels).filter(|count| *count <= rest.len())?;
            self.numbers.resize(start + count, 0);
            let mut rows = self.numbers.get_mut(start..)?;
            for column in 0..width {
                let (mut value, mut at) = (0, column);
                while let Some(number) = rows.get_mut(at) {
                    value = wire::apply_delta(value, wire::take_varint(rest)?);
                    if value > MAX_NUMBER {
                        return None;
                    }
                    *number = value;
                    at += width;
                }
            }
            let longest = series.template.len() + width * (wire::MAX_DIGITS - 1);
            text = text.saturating_add(longest.saturating_mul(series.kernels));
            if text > wire::MAX_IDS {
                return None;
            }
            let mut before: Option<&[u32]> = None;
            for _ in 0..series.kernels {
                let (row, tail) = rows.split_at_mut_checked(width)?;
                rows = tail;
                // They are sorted and none stands twice.
                if before.is_some_and(|before| before >= &*row) {
                    return None;
                }
                // Numbers make no difference to what an id may be, but for its length: one of each series is enough.
                if before.is_none() || longest > KernelId::MAX_LEN {
                    check_id(&series.template, row)?;
                }
                before = Some(row);
            }
        }
        Some(())
    }

    fn take_entries(&mut self, rest: &mut &[u8]) -> Option<()> {
        let kernels = self.series.iter().map(|series| series.kernels).sum();
        // Every blob is some kernel's, which bounds what reading all of them takes.
        if self.blobs > kernels || kernels > rest.len() {
            return None;
        }
        let mut blob = 0;
        for _ in 0..kernels {
            blob = wire::apply_delta(blob, wire::take_varint(rest)?);
            if blob as usize >= self.blobs {
                return None;
            }
            self.entries.push(blob);
        }
        Some(())
    }
}

/// Whether a template and numbers are an id's, and the ones that it is split into.
fn check_id(template: &[u8], numbers: &[u32]) -> Option<()> {
    let mut id = Vec::with_capacity(USUAL_LEN);
    push_id(&mut id, template, numbers);
    let id = std::str::from_utf8(&id).ok()?;
    if !kernel_id::is_kernel_id(id) {
        return None;
    }
    let (mut split, mut numbers) = (Vec::with_capacity(USUAL_LEN), Vec::with_capacity(USUAL_LEN / 4));
    wire::split(id, &mut split, &mut numbers);
    (split == template).then_some(())
}

/// Appends a kernel's id.
#[inline(never)]
fn push_id(id: &mut Vec<u8>, template: &[u8], numbers: &[u32]) {
    let mut numbers = numbers.iter();
    for &byte in template {
        if byte == wire::NUMBER {
            wire::push_number(id, numbers.next().copied().unwrap_or_default());
        } else {
            id.push(byte);
        }
    }
}
