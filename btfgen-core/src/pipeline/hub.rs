//! Hub: a hub file or hub tree, and its wanted kernels.

use std::path::{Path, PathBuf};

use btfgen_runtime::{BuildId, KernelId};

use super::error::Error;
use crate::btf::{Endian, Writer};
use crate::files::{self, HubError, Listing, TreeEntry, read_btf};
use crate::hub::file::{HubBuilder, HubFile, KernelSource};
use crate::hub::{Form, KernelFilter};
use crate::kernel::KernelTypes;
use crate::resolve::Roots;
use crate::threads::{cores, join, on_all_cores};
use crate::types::Types;

/// A hub before kernels are selected.
pub struct Hub {
    /// Its path, for messages.
    path: PathBuf,
    content: Content,
}

enum Content {
    /// A hub file, decoded.
    File(Box<HubFile>),
    /// The files of a hub tree.
    Tree(Listing),
}

/// A wanted kernel.
pub(super) struct Kernel {
    pub(super) id: KernelId,
    /// Its build id; the files of a hub tree have none.
    pub(super) build_id: Option<BuildId>,
}

/// The wanted kernels of a hub.
pub(super) struct Kernels {
    /// The kernels, sorted by id.
    pub(super) kernels: Vec<Kernel>,
    /// For each kernel the index of its source.
    pub(super) source_of: Vec<usize>,
    /// Kernels with equal types for the objects' roots share a source.
    pub(super) sources: Vec<Source>,
    /// The store of definitions that the sources refer to.
    pub(super) types: Types,
    /// Exclude globs that match no kernel.
    pub(super) unused_excludes: Vec<String>,
    /// Ignored content of the hub.
    pub(super) notes: Vec<String>,
}

/// Where a kernel's types come from.
pub(super) enum Source {
    /// A file of a hub tree, still to be read.
    Tree(TreeEntry),
    /// Types of a hub file.
    Types(KernelTypes),
}

impl Hub {
    /// Reads a hub file, with its functions if a forecast needs them, or lists a hub tree.
    ///
    /// # Errors
    /// When there is no hub, or it cannot be read.
    pub fn open(path: &Path, with_functions: bool) -> Result<Self, HubError> {
        let content = if path.is_file() {
            let malformed = |source| HubError::HubFile { file: path.to_owned(), source };
            let file = HubFile::open(files::read(path)?).map_err(malformed)?;
            let (types, functions) = match with_functions {
                true => join(|| file.check(), || file.check_functions()),
                false => (file.check(), Ok(())),
            };
            types.and(functions).map_err(malformed)?;
            Content::File(Box::new(file))
        } else {
            Content::Tree(files::list(path)?)
        };
        Ok(Self { path: path.to_owned(), content })
    }

    /// The hub file; none if it is a hub tree.
    pub fn file(&self) -> Option<&HubFile> {
        match &self.content {
            Content::File(file) => Some(file),
            Content::Tree(_) => None,
        }
    }

    /// A hub file of the wanted kernels of a hub tree. Kernels whose BTF cannot be read have nothing in it.
    pub(super) fn tree_to_file(&self, wanted: &[KernelId]) -> Result<HubFile, HubError> {
        let malformed = |source| HubError::HubFile { file: self.path.clone(), source };
        let mut entries = match &self.content {
            Content::File(_) => Vec::new(),
            Content::Tree(listing) => listing.kernels.clone(),
        };
        entries.retain(|entry| wanted.binary_search(&entry.id).is_ok());
        let add = |builder: &mut HubBuilder, TreeEntry { id, path, form }: &TreeEntry| {
            let mut add = |btf: &[u8]| {
                let source = KernelSource { ships_btf: form.ships_btf(), ..KernelSource::new(id, "", btf) };
                builder.add_btf(&source).is_ok()
            };
            if !read_btf(path).is_ok_and(|btf| add(&btf))
                && let Ok(nothing) = Writer::new(Endian::Little).finish()
            {
                add(&nothing);
            }
        };
        // Neighbors share most types, so that one builder takes many of them.
        let parts: Vec<&[TreeEntry]> = entries.chunks(entries.len().div_ceil(cores()).max(1)).collect();
        let build = |(): &mut (), part: usize| {
            let mut builder = HubBuilder::new();
            parts[part].iter().for_each(|entry| add(&mut builder, entry));
            builder
        };
        let mut all = HubBuilder::new();
        for builder in on_all_cores(parts.len(), || (), build) {
            all.merge(builder);
        }
        HubFile::open(all.finish(1).map_err(malformed)?).map_err(malformed)
    }

    /// Selects the wanted kernels, and the part of their types that the roots need.
    pub(super) fn select(&self, filter: &KernelFilter, roots: &Roots) -> Result<Kernels, Error> {
        let unmatched = |source| Error::Filter { hub: self.path.clone(), source: Box::new(source) };
        let mut types = roots.types().clone();
        match &self.content {
            Content::File(file) => {
                let all = file.kernels();
                let selection = filter.select(all.iter().map(|kernel| &kernel.id)).map_err(unmatched)?;
                let malformed = |source| HubError::HubFile { file: self.path.clone(), source };
                let view = file.view(&mut types, roots, &selection.kept).map_err(malformed)?;
                let kernel =
                    |&index: &usize| Kernel { id: all[index].id.clone(), build_id: all[index].build_id };
                Ok(Kernels {
                    kernels: selection.kept.iter().map(kernel).collect(),
                    source_of: view.kernels,
                    sources: view.distinct.into_iter().map(Source::Types).collect(),
                    types,
                    unused_excludes: selection.idle,
                    notes: Vec::new(),
                })
            }
            Content::Tree(Listing { kernels, notes }) => {
                let selection = filter.select(kernels.iter().map(|kernel| &kernel.id)).map_err(unmatched)?;
                let wanted: Vec<&TreeEntry> = selection.kept.iter().map(|&index| &kernels[index]).collect();
                let kernel = |entry: &&TreeEntry| Kernel { id: entry.id.clone(), build_id: None };
                Ok(Kernels {
                    kernels: wanted.iter().map(kernel).collect(),
                    source_of: (0..wanted.len()).collect(),
                    sources: wanted.into_iter().cloned().map(Source::Tree).collect(),
                    types,
                    unused_excludes: selection.idle,
                    notes: notes.iter().map(ToString::to_string).collect(),
                })
            }
        }
    }
}

impl Source {
    /// Whether it has to be unpacked.
    pub(super) fn is_packed(&self) -> bool {
        matches!(self, Self::Tree(entry) if entry.form != Form::Plain)
    }
}
