//! Cache: what the last build found out, kept in `OUT_DIR` so that the next one works on what changed only.
//!
//! It holds two things. What the build **gave**: its report, under a hash of all that went in; when nothing changed that is
//! all there is to do. And what it **knows**: for each kernel its minimized BTF, libbpf's verdicts on all relocations, and what
//! comes of these, section by section of the objects. Verdicts depend on what the relocations ask and on the kernel;
//! what comes of them depends on a section's code too, and is worked out anew where that changed.
//!
//! The file is a hint. A part of it is taken only whole and unchanged (`wire`), from this very program, and for the same questions;
//! else the build goes on as if there were none.

mod blob;
mod read;
mod wire;
mod write;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use btfgen_runtime::{KernelId, ObjectDigest};
use foldhash::quality::{FixedState, FoldHasher};

use crate::Report;
use crate::fs;
use crate::hub::KernelFilter;
use crate::report::{Pieces, Verdicts};
use crate::roots::Roots;
use crate::threads::on_all_cores;
use wire::Part;

pub(crate) use blob::{Blob, Distinct};
pub(crate) use write::{Encoded, encode};

/// File name of the cache in `OUT_DIR`.
pub(crate) const CACHE_NAME: &str = "btfgen.cache";

/// A cache as it was read, of which only what is asked for is decoded.
#[derive(Debug, Default)]
pub(crate) struct Cache(Option<wire::Parts>);

/// What a build gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    /// Hash of all that went in; none of what is not hashed at once.
    pub(crate) inputs: Option<u64>,
    /// The archive.
    pub(crate) archive: Written,
    /// Hashes of the distinct minimized BTFs.
    pub(crate) blobs: Vec<u64>,
    /// The report.
    pub(crate) report: Report,
}

/// What a build knows before it begins, and what it knows at its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// What the findings are for: the program, the questions and the hub's path.
    pub(crate) context: u64,
    /// Hashes of the objects' sections, on which it hangs what comes of verdicts.
    pub(crate) sections: Vec<u64>,
    /// Findings by the kernel's content.
    pub(crate) findings: BTreeMap<u64, Finding>,
    /// The kernels of a hub file.
    pub(crate) listing: Option<Listing>,
}

/// What a kernel gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The minimized BTF, or why there is none.
    pub(crate) bytes: Result<Blob, String>,
    /// libbpf's verdicts on the relocations.
    pub(crate) verdicts: Verdicts,
    /// The relocations that it leaves unresolved.
    pub(crate) unresolved: Pieces,
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

impl Cache {
    /// Reads a cache; there is nothing in it when there is none, or it is another version's.
    pub(crate) fn read(path: &Path) -> Self {
        Self(fs::read(path).ok().and_then(|bytes| wire::Parts::of(Arc::new(bytes))))
    }

    /// What the last build gave, if it is what went into it that goes into this one.
    pub(crate) fn given(&self, inputs: u64) -> Option<Given> {
        let parts = self.0.as_ref()?;
        let (Some(before), archive) = read::made(parts.part(Part::Made)?)? else { return None };
        if before != inputs {
            return None;
        }
        let (blobs, report) = read::told(parts.part(Part::Report)?)?;
        Some(Given { inputs: Some(inputs), archive, blobs, report })
    }

    /// The archive that the last build gave.
    pub(crate) fn archive(&self) -> Option<Written> {
        let (_, archive) = read::made(self.0.as_ref()?.part(Part::Made)?)?;
        Some(archive)
    }

    /// What the last build knew at its end.
    pub(crate) fn known(&self) -> Known {
        let known = |parts: &wire::Parts| read::known(parts.part(Part::Known)?, &parts.blobs());
        self.0.as_ref().and_then(known).unwrap_or_default()
    }
}

/// Writes a cache. What prevents that costs the next build time and nothing else.
pub(crate) fn write(path: &Path, given: &Given, known: &Encoded) {
    if let Some(bytes) = write::file(given, known) {
        let _ = fs::write(path, &bytes);
    }
}

impl Written {
    /// Hash of all that an archive is made from.
    pub(crate) fn hash_of_parts(
        entries: &[(KernelId, usize)],
        blobs: &[u64],
        objects: &[ObjectDigest],
        level: i32,
    ) -> u64 {
        let mut hasher = hasher();
        for (id, blob) in entries {
            (id.as_str(), blob).hash(&mut hasher);
        }
        (blobs, objects, level).hash(&mut hasher);
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

/// Hash of a file's bytes, of large ones on all cores.
pub(crate) fn hash_file(bytes: &[u8]) -> u64 {
    let parts: Vec<&[u8]> = bytes.chunks(HASHED_AT_ONCE).collect();
    let hashes = on_all_cores(parts.len(), || (), |(), at| hash_bytes(parts[at]));
    let mut hasher = hasher();
    hashes.hash(&mut hasher);
    hasher.finish()
}

/// What one core hashes of a file at a time, in bytes.
const HASHED_AT_ONCE: usize = 1 << 20;

/// Hash of a hub file, by that of its bytes, and of which of its kernels are wanted.
pub(crate) fn hash_hub(bytes: u64, filter: &KernelFilter) -> u64 {
    let mut hasher = hasher();
    (bytes, format!("{filter:?}")).hash(&mut hasher);
    hasher.finish()
}

/// The program, by its version and its executable's length and time, so that what a changed one would find is never
/// taken from an older one's cache.
pub(crate) fn hash_program() -> u64 {
    let mut hasher = hasher();
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    let program = std::env::current_exe().and_then(std::fs::metadata);
    program.map(|meta| (meta.len(), meta.modified().ok())).ok().hash(&mut hasher);
    hasher.finish()
}

/// What findings depend on besides the kernel.
pub(crate) fn context(roots: &Roots, objects: impl Iterator<Item = (String, bool)>, hub: &Path) -> u64 {
    let mut hasher = hasher();
    (hash_program(), roots.fingerprint()).hash(&mut hasher);
    objects.for_each(|object| object.hash(&mut hasher));
    hub.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
