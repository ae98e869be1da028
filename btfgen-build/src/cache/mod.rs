//! Cache: what the last build found out, kept in `OUT_DIR` so that the next one works on what changed only.
//!
//! A finding is what a kernel gave for a set of relocations: its minimized BTF, and which relocations find nothing, and why. It
//! depends on what the relocations ask and on the kernel. One thing in it depends on the objects' code, which of their
//! instructions can be run; when code changed that is worked out anew, from the minimized BTFs: relocations come out on
//! them as on the kernels.
//!
//! The file is a hint. It is taken only whole and unchanged (`wire`), from this very program, and for the same questions;
//! else the build goes on as if there were none.

mod recall;
mod wire;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use btfgen_runtime::{KernelId, ObjectDigest};
use foldhash::quality::{FixedState, FoldHasher};

use crate::fs;
use crate::hub::KernelFilter;
use crate::object::Object;
use crate::report::Unresolved;
use crate::roots::Roots;

pub(crate) use recall::with_reasons;

/// File name of the cache in `OUT_DIR`.
pub(crate) const CACHE_NAME: &str = "btfgen.cache";

/// What a build knows before it begins, and what it knows at its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// What the findings are for: the program, the questions and the hub's path.
    pub(crate) context: u64,
    /// Hash of the objects' files: if it is another, what is unresolved may be reached or not in other places.
    pub(crate) code: u64,
    /// Findings by the kernel's content.
    pub(crate) findings: BTreeMap<u64, Finding>,
    /// The kernels of a hub file.
    pub(crate) listing: Option<Listing>,
    /// The archive that was written.
    pub(crate) archive: Option<Written>,
}

/// What a kernel gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The minimized BTF, or why there is none.
    pub(crate) bytes: Result<Arc<[u8]>, String>,
    /// The relocations that it leaves unresolved.
    pub(crate) unresolved: Arc<[Unresolved]>,
}

/// The wanted kernels of a hub file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Hash of the file and of the filter.
    pub(crate) hub: u64,
    /// Each kernel with the hash that its finding stands under.
    pub(crate) kernels: Vec<(KernelId, u64)>,
    /// Exclude globs that matched no kernel.
    pub(crate) idle: Vec<String>,
}

/// An archive in `OUT_DIR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    /// Hash of what it was made from.
    pub(crate) from: u64,
    /// Its length in bytes.
    pub(crate) len: usize,
    /// Hash of its bytes.
    pub(crate) hash: u64,
}

impl Known {
    /// Reads a cache; nothing is known when there is none, or it is damaged or another version's.
    pub(crate) fn read(path: &Path) -> Self {
        fs::read(path).ok().and_then(|bytes| wire::decode(&bytes)).unwrap_or_default()
    }

    /// Writes a cache. What prevents that costs the next build time and nothing else.
    pub(crate) fn write(&self, path: &Path) {
        let _ = fs::write(path, &wire::encode(self));
    }
}

impl Written {
    /// Hash of all that an archive is made from.
    pub(crate) fn hash_of_parts(
        entries: &[(KernelId, usize)],
        blobs: &[Vec<u8>],
        objects: &[ObjectDigest],
        level: i32,
    ) -> u64 {
        let mut hasher = hasher();
        for (id, blob) in entries {
            (id.as_str(), blob).hash(&mut hasher);
        }
        blobs.iter().for_each(|blob| hasher.write_u64(hash_bytes(blob)));
        (blobs.len(), objects, level).hash(&mut hasher);
        hasher.finish()
    }

    /// Whether a file holds the very bytes.
    pub(crate) fn stands_at(&self, path: &Path) -> bool {
        fs::read(path).is_ok_and(|bytes| bytes.len() == self.len && hash_bytes(&bytes) == self.hash)
    }
}

/// A hasher whose results are the same in every run of a program.
///
/// Not a cryptographic one: it tells changes, and nobody gains by a false cache in a build folder of their own. Of what
/// hashes are at hand it is the one that is fast in a build script, which is compiled without optimization.
pub(crate) fn hasher() -> FoldHasher<'static> {
    FixedState::with_seed(0x6274_6667).build_hasher()
}

/// Hash of some bytes.
pub(crate) fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hasher = hasher();
    hasher.write(bytes);
    hasher.finish()
}

/// Hash of the objects' files.
pub(crate) fn code(objects: &[Object]) -> u64 {
    let mut hasher = hasher();
    objects.iter().for_each(|object| hasher.write_u64(object.file_hash()));
    hasher.finish()
}

/// Hash of a hub file and of which of its kernels are wanted.
pub(crate) fn hash_hub(bytes: &[u8], filter: &KernelFilter) -> u64 {
    let mut hasher = hasher();
    (hash_bytes(bytes), format!("{filter:?}")).hash(&mut hasher);
    hasher.finish()
}

/// What findings depend on besides the kernel.
///
/// The program is known by its version and its executable's length and time, so that what a changed one would find is never
/// taken from an older one's cache.
pub(crate) fn context(roots: &Roots, objects: impl Iterator<Item = (String, bool)>, hub: &Path) -> u64 {
    let mut hasher = hasher();
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    let program = std::env::current_exe().and_then(std::fs::metadata);
    program.map(|meta| (meta.len(), meta.modified().ok())).ok().hash(&mut hasher);
    roots.fingerprint().hash(&mut hasher);
    objects.for_each(|object| object.hash(&mut hasher));
    hub.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
