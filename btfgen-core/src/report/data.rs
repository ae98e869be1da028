//! Data: the report as values, which are also its JSON.

use std::sync::Arc;

use btfgen_runtime::{BuildIdPrefix, KernelId};
use serde::Serialize;

use crate::forecast::Forecast;

/// The result of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The objects, in the order given.
    pub objects: Vec<ObjectReport>,
    /// The distinct problems: unusable kernels, then relocations in the order of the objects. The forecast has them among its reasons.
    #[serde(skip)]
    pub problems: Vec<Problem>,
    /// The kernels, ordered by id.
    pub kernels: Vec<KernelReport>,
    /// Number of distinct minimized BTFs.
    pub blobs: usize,
    /// Their total size in bytes.
    pub blob_bytes: usize,
    /// Size of the archive in bytes; 0 if none was written.
    pub archive_bytes: usize,
    /// Exclude globs that match no kernel.
    pub unused_excludes: Vec<String>,
    /// Ignored content of a hub tree: other files, links, further forms of a kernel.
    pub hub_notes: Vec<String>,
    /// Number of kernels that were unpacked from files of a hub tree.
    pub unpacked_kernels: usize,
    /// Whether each program runs on each kernel.
    #[serde(skip)]
    pub forecast: Forecast,
}

/// An object and its needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ObjectReport {
    /// The object's name.
    pub name: String,
    /// Number of its CO-RE relocations.
    pub relocations: usize,
    /// Number of relocations that read a target type id (`TYPE_ID_TARGET`). With a minimized BTF it is that BTF's id, not
    /// the kernel's.
    pub target_type_ids: usize,
    /// Relocations that fail on every kernel. The forecast has them among its reasons.
    #[serde(skip)]
    pub failures: Vec<String>,
}

/// The result for a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KernelReport {
    /// The kernel.
    #[serde(serialize_with = "as_text")]
    pub id: KernelId,
    /// Its minimized BTF; none if none is embedded for it.
    pub blob: Option<BlobId>,
    /// Its build id in the archive.
    #[serde(serialize_with = "as_text_if_any")]
    pub build_id: Option<BuildIdPrefix>,
    /// Its problems; kernels with identical problems share the list.
    #[serde(skip)]
    pub problems: Arc<[ProblemId]>,
}

/// A minimized BTF, by its index among the distinct ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct BlobId(pub usize);

/// A problem, by its index in [`Report::problems`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ProblemId(pub usize);

/// A problem of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Problem {
    /// The kernel's BTF cannot be read or used.
    Unusable {
        /// Why.
        reason: String,
    },
    /// A relocation fails.
    Relocation {
        /// The object.
        object: String,
        /// The program.
        program: String,
        /// The relocation: its section, and its number there.
        relocation: String,
        /// The relocation's kind and spec, as libbpf writes them.
        spec: String,
        /// The C line, as `file:line`.
        line: Option<String>,
        /// That line's text.
        text: Option<String>,
        /// Why it fails.
        reason: String,
    },
}

fn as_text<S: serde::Serializer>(id: &KernelId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(id.as_str())
}

fn as_text_if_any<S: serde::Serializer>(
    id: &Option<BuildIdPrefix>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    id.map(|id| id.to_string()).serialize(serializer)
}

impl Report {
    /// Number of kernels for which a minimized BTF is embedded.
    pub fn embedded(&self) -> usize {
        self.kernels.iter().filter(|kernel| kernel.blob.is_some()).count()
    }

    /// Number of relocations of all objects.
    pub fn relocations(&self) -> usize {
        self.objects.iter().map(|object| object.relocations).sum()
    }
}
