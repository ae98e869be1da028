//! Hub: a source of kernels, a folder in the BTFHub archive's layout (hub tree) or a hub file.

mod codec;
mod elf;
pub mod file;
mod filter;
mod tree;

use std::path::PathBuf;

pub(crate) use codec::BtfFile;
pub use codec::{Bytes, CodecError, Form, MAX_BTF_LEN, read_btf, unpack};
pub use filter::{FilterError, KernelFilter, Selection};
pub use tree::{Listing, Note, TreeEntry, list};

/// Why a hub, or a kernel in it, cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// A file or folder of the hub cannot be read.
    #[error(transparent)]
    Io(#[from] crate::fs::FsError),
    /// The hub tree holds no kernel at all.
    #[error("{}", tree::no_kernel(root, notes))]
    NoKernel {
        /// The hub tree's folder.
        root: PathBuf,
        /// What was found instead.
        notes: Vec<Note>,
    },
    /// The hub file cannot be read.
    #[error("hub file {}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: file::HubFileError,
    },
    /// A packed BTF cannot be unpacked.
    #[error("cannot read a BTF from {}", file.display())]
    Codec {
        /// The packed file.
        file: PathBuf,
        /// What is wrong with its content.
        source: CodecError,
    },
}
