//! Error: why objects and a hub yield nothing.

use std::path::PathBuf;

use btfgen_runtime::KernelId;

use crate::archive::ArchiveError;
use crate::btf::BtfError;
use crate::files::{FileError, HubError, TreeError};
use crate::hub::FilterError;
use crate::minimize::MinimizeError;
use crate::object::ObjectError;

/// Why objects and a hub yield nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// An object is malformed.
    #[error("while reading object {}", file.display())]
    Object {
        /// The object's file.
        file: PathBuf,
        /// What is wrong with it.
        source: ObjectError,
    },
    /// The objects' local types are malformed.
    #[error("while reading the objects' relocations")]
    Relocations(#[source] ObjectError),
    /// The hub, or all of it that is wanted, cannot be read.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The globs or architectures select no kernel.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// A kernel's BTF in a hub tree is malformed.
    #[error("while reading {}", file.display())]
    Kernel {
        /// The kernel's file.
        file: PathBuf,
        /// What is wrong with it.
        source: BtfError,
    },
    /// A kernel's BTF is malformed.
    #[error(transparent)]
    Btf(#[from] BtfError),
    /// An object has another byte order than the kernel.
    #[error("{0}")]
    ByteOrder(String),
    /// A kernel's minimized BTF cannot be made.
    #[error(transparent)]
    Minimize(#[from] MinimizeError),
    /// A relocation resolves otherwise against a minimized BTF: a mistake of this program.
    #[error("while minimizing kernel {kernel}")]
    Difference {
        /// The kernel.
        kernel: KernelId,
        /// What differs.
        source: MinimizeError,
    },
    /// A kernel fails a relocation, and `on-failure` is `error`.
    #[error("kernel {kernel} cannot be served: {problem}")]
    Relocation {
        /// The kernel.
        kernel: KernelId,
        /// Its first problem.
        problem: String,
    },
    /// No kernel is left.
    #[error("none of {kernels} kernels can be served: {}", problems.join("; "))]
    NoneServed {
        /// How many kernels were wanted.
        kernels: usize,
        /// The first problems.
        problems: Vec<String>,
    },
    /// The archive cannot be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The folder tree cannot be written.
    #[error(transparent)]
    Tree(#[from] TreeError),
}
