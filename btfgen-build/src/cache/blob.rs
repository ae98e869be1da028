//! Blob: a minimized BTF, made in this build or kept by the cache, whose bytes are looked at only when they are needed.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::hash_bytes;
use crate::memo::Memo;

/// A minimized BTF.
#[derive(Clone)]
pub(crate) enum Blob {
    /// Of this build.
    Made(Arc<[u8]>),
    /// Of the last one.
    Kept(Arc<Kept>),
}

/// A part of a cache's bytes, as yet unchecked.
pub(crate) struct Kept {
    pub(super) file: Arc<Vec<u8>>,
    pub(super) at: Range<usize>,
    pub(super) hash: u64,
}

impl Blob {
    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Made(bytes) => bytes.len(),
            Self::Kept(kept) => kept.at.len(),
        }
    }

    /// A hash of its bytes.
    pub(crate) fn hash(&self) -> u64 {
        match self {
            Self::Made(bytes) => hash_bytes(bytes),
            Self::Kept(kept) => kept.hash,
        }
    }

    /// Where it lies: the same for two only if they are the same.
    pub(crate) fn place(&self) -> *const u8 {
        match self {
            Self::Made(bytes) => bytes.as_ptr(),
            Self::Kept(kept) => Arc::as_ptr(kept).cast(),
        }
    }

    /// Its bytes; none if the cache is damaged there.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Made(bytes) => Some(bytes),
            Self::Kept(kept) => kept.file.get(kept.at.clone()).filter(|bytes| hash_bytes(bytes) == kept.hash),
        }
    }

    /// Likewise, damaged or not.
    pub(super) fn unchecked(&self) -> Option<&[u8]> {
        match self {
            Self::Made(bytes) => Some(bytes),
            Self::Kept(kept) => kept.file.get(kept.at.clone()),
        }
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of hash {:#x}", self.len(), self.hash())
    }
}

impl PartialEq for Blob {
    fn eq(&self, other: &Self) -> bool {
        let same = || self.bytes().is_some_and(|bytes| Some(bytes) == other.bytes());
        self.place() == other.place() || (self.len() == other.len() && self.hash() == other.hash() && same())
    }
}

impl Eq for Blob {}

/// Minimized BTFs, each once.
#[derive(Default)]
pub(crate) struct Distinct {
    pub(crate) all: Vec<Blob>,
    pub(crate) hashes: Vec<u64>,
    /// Their numbers: most are shared in memory too, and told by where they lie, where they are kept alive.
    places: Memo<*const u8, (Blob, usize)>,
    by_hash: Memo<u64, Vec<usize>>,
}

impl Distinct {
    /// The number of a minimized BTF.
    pub(crate) fn number(&mut self, blob: &Blob) -> usize {
        if let Some((_, number)) = self.places.get(&blob.place()) {
            return *number;
        }
        let hash = blob.hash();
        let alike = self.by_hash.entry(hash).or_default();
        let number = alike.iter().copied().find(|&number| self.all[number] == *blob);
        let number = number.unwrap_or_else(|| {
            alike.push(self.all.len());
            self.all.push(blob.clone());
            self.hashes.push(hash);
            self.all.len() - 1
        });
        self.places.insert(blob.place(), (blob.clone(), number));
        number
    }
}
