//! Wire: the cache's file as bytes and its parts, each under a checksum of its own, and how numbers and texts stand in them.
//!
//! The file: [`MAGIC`]; the file's length; for each part the hash and length of its bytes, all in eight bytes each; the parts; the
//! minimized BTFs, one after the other, whose hashes and lengths stand in the last part.

use std::array;
use std::ops::Range;
use std::str;
use std::sync::Arc;

use super::hash_bytes;

/// First bytes of every cache, the last the layout's version.
pub(super) const MAGIC: &[u8; 16] = b"btfgen cache  3\n";

/// The parts, in their order.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// What went in, and the archive that came out.
    Made,
    /// The minimized BTFs' hashes, and the report.
    Report,
    /// What the build knew at its end.
    Known,
}

/// How many parts there are.
const PARTS: usize = 3;

/// Length of what precedes the parts.
const HEAD: usize = MAGIC.len() + 8 + 16 * PARTS;

/// A cache's parts, unchecked.
#[derive(Debug)]
pub(super) struct Parts {
    file: Arc<Vec<u8>>,
    /// The hash of each, and where it stands.
    places: [(u64, Range<usize>); PARTS],
}

/// A part that is to be written, with its hash.
pub(super) struct Sealed(u64, pub(super) Vec<u8>);

impl Sealed {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self(hash_bytes(&bytes), bytes)
    }
}

impl Parts {
    /// Of a file; none if it is no cache of this layout.
    pub(super) fn of(file: Arc<Vec<u8>>) -> Option<Self> {
        let mut input = Reader(file.strip_prefix(MAGIC)?);
        let whole = input.word()? == file.len() as u64;
        let mut end = HEAD;
        let places = array::from_fn(|_| {
            let (hash, len) = (input.word().unwrap_or_default(), input.word().unwrap_or_default());
            let start = end;
            end = start.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
            (hash, start..end)
        });
        (whole && end <= file.len()).then_some(Self { file, places })
    }

    /// A part, if it is as it was written.
    pub(super) fn part(&self, part: Part) -> Option<Reader<'_>> {
        let (hash, at) = &self.places[part as usize];
        let bytes = self.file.get(at.clone()).filter(|bytes| hash_bytes(bytes) == *hash)?;
        Some(Reader(bytes))
    }

    /// The file, and where the minimized BTFs begin in it.
    pub(super) fn blobs(&self) -> (Arc<Vec<u8>>, usize) {
        let [.., (_, last)] = &self.places;
        (Arc::clone(&self.file), last.end)
    }
}

/// A cache of these parts, to which the minimized BTFs are to be added, which have so many bytes together.
pub(super) fn file(parts: [&Sealed; PARTS], blobs: usize) -> Vec<u8> {
    let len = HEAD + parts.iter().map(|Sealed(_, bytes)| bytes.len()).sum::<usize>() + blobs;
    let mut file = Vec::with_capacity(len);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&(len as u64).to_le_bytes());
    for Sealed(hash, bytes) in parts {
        file.extend_from_slice(&hash.to_le_bytes());
        file.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    }
    parts.iter().for_each(|Sealed(_, bytes)| file.extend_from_slice(bytes));
    file
}

/// Writes numbers, low byte first, of eight bytes (words) or four; texts and lists are preceded by their length.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn word(&mut self, word: u64) {
        self.0.extend_from_slice(&word.to_le_bytes());
    }

    pub(super) fn number(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u32);
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A list of numbers.
    pub(super) fn numbers(&mut self, numbers: &[u32]) {
        self.number(numbers.len() as u32);
        let start = self.0.len();
        self.0.resize(start + 4 * numbers.len(), 0);
        let (places, _) = self.0[start..].as_chunks_mut();
        for (place, number) in places.iter_mut().zip(numbers) {
            *place = number.to_le_bytes();
        }
    }

    pub(super) fn list<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut item: impl FnMut(&mut Self, T),
    ) {
        self.number(items.len() as u32);
        for it in items {
            item(self, it);
        }
    }
}

/// Reads what [`Writer`] wrote.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn word(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*word))
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*number))
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let len = self.number()? as usize;
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        str::from_utf8(text).ok()
    }

    /// A list; each item takes four bytes at least, which bounds their number.
    pub(super) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let len = self.number()? as usize;
        if len > self.0.len() / 4 {
            return None;
        }
        let mut list = Vec::with_capacity(len);
        for _ in 0..len {
            list.push(item(self)?);
        }
        Some(list)
    }

    /// A list of numbers.
    pub(super) fn numbers(&mut self) -> Option<impl ExactSizeIterator<Item = u32> + use<'a>> {
        let len = self.number()? as usize;
        let (numbers, rest) = self.0.split_at_checked(len.checked_mul(4)?)?;
        self.0 = rest;
        let (numbers, _) = numbers.as_chunks::<4>();
        Some(numbers.iter().map(|number| u32::from_le_bytes(*number)))
    }
}
