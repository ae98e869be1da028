//! Errors of reading and writing hub files.

use btfgen_runtime::{BuildId, KernelId};

use crate::btf::BtfError;
use crate::types::CopyError;

/// Version of the layout.
pub(super) const VERSION: u32 = 1;

/// What to do about a hub file that has changed since it was written.
const GET_AGAIN: &str = "get it again, or delete it and run \"btfgen vendor\"";

/// Why a hub file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubFileError {
    /// The file does not begin with the magic.
    #[error("not a hub file; make one with \"btfgen vendor\"")]
    Foreign,
    /// The file is a pointer of Git LFS to the hub file.
    #[error("a pointer of Git LFS, not the hub file; run \"git lfs pull\"")]
    LfsPointer,
    /// A version of the layout that this reader does not know.
    #[error("hub file of version {version}; this program reads version {VERSION}")]
    Version {
        /// The file's version.
        version: u32,
    },
    /// The file ends before its last column.
    #[error("truncated hub file: it has only {len} bytes; {GET_AGAIN}")]
    Truncated {
        /// Its length in bytes.
        len: usize,
    },
    /// Bytes were changed.
    #[error("damaged hub file: wrong checksum of {column}; {GET_AGAIN}")]
    Checksum {
        /// The column, or `table`.
        column: &'static str,
    },
    /// Content that no writer produces.
    #[error("malformed hub file: invalid {what} in column {column}")]
    Malformed {
        /// The column, or `table`.
        column: &'static str,
        /// What is wrong in it.
        what: &'static str,
    },
    /// A definition that contains itself.
    #[error("malformed hub file: invalid definition")]
    Circle(#[from] CopyError),
    /// More than the limits of the layout.
    #[error("too many {what} for a hub file")]
    TooLarge {
        /// What exceeds its limit.
        what: &'static str,
    },
    /// A kernel's BTF is malformed.
    #[error("kernel {kernel}: malformed BTF")]
    Btf {
        /// The kernel's id.
        kernel: KernelId,
        /// What is wrong with its BTF.
        source: BtfError,
    },
    /// Two kernels have one id.
    #[error(
        "kernel {kernel} is different in {first:?} and {second:?}; \
         give one of them another kernel id, or start a new hub file"
    )]
    Conflict {
        /// The kernel's id.
        kernel: KernelId,
        /// Provenance of one.
        first: String,
        /// Provenance of the other.
        second: String,
    },
    /// Two builds have one id.
    #[error("kernel {kernel} has build ids {first} and {second}; two builds need two kernel ids")]
    TwoBuildIds {
        /// The kernel's id.
        kernel: KernelId,
        /// Build id of one.
        first: BuildId,
        /// Build id of the other.
        second: BuildId,
    },
    /// Two kernels have one build id, and different BTFs.
    #[error("kernels {first} and {second} have build id {build_id} and different BTFs; keep one of them")]
    SharedBuildId {
        /// The build id.
        build_id: BuildId,
        /// The id of one kernel.
        first: KernelId,
        /// The id of the other.
        second: KernelId,
    },
    /// The file does not have the kernel.
    #[error("no kernel {kernel} in the hub file; list its kernels with \"btfgen hub list\"")]
    NoKernel {
        /// The kernel's id.
        kernel: KernelId,
    },
    /// The compressor failed.
    #[error("cannot compress the hub file")]
    Compress(#[source] std::io::Error),
}
