//! Error: why a run fails, and why one kernel of a run cannot be served.

use std::path::PathBuf;

use btfgen_runtime::KernelId;

use crate::archive::ArchiveError;
use crate::btf::{BtfError, Endian};
use crate::files::{FileError, HubError};
use crate::forecast::ForecastError;
use crate::hub::FilterError;
use crate::minimize::MinimizeError;
use crate::object::ObjectError;

/// Why a run fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// An object is malformed.
    #[error("cannot read object {}", file.display())]
    Object {
        /// The object's file.
        file: PathBuf,
        /// What is wrong with it.
        source: ObjectError,
    },
    /// The objects' local types are malformed.
    #[error("cannot read the objects' relocations")]
    Relocations(#[source] ObjectError),
    /// The hub cannot be read.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The globs or architectures select no kernel.
    #[error("no kernel selected in hub {}", hub.display())]
    Filter {
        /// The hub.
        hub: PathBuf,
        /// Which glob or architecture.
        source: Box<FilterError>,
    },
    /// The BTF to minimize is malformed.
    #[error(transparent)]
    Btf(#[from] BtfError),
    /// An object has another byte order than the BTF to minimize.
    #[error(transparent)]
    ByteOrder(#[from] ByteOrderError),
    /// The BTF cannot be minimized.
    #[error(transparent)]
    Minimize(#[from] MinimizeError),
    /// A relocation resolves differently with a minimized BTF: a bug in btfgen.
    #[error("kernel {kernel}")]
    Difference {
        /// The kernel.
        kernel: KernelId,
        /// What differs.
        source: MinimizeError,
    },
    /// No kernel can be served.
    #[error("{}:{}", if *drops { "every kernel fails a relocation (on-failure = \"drop\")" } else { "no kernel can be used" },
        problems.iter().map(|problem| format!("\n{problem}")).collect::<String>())]
    NoneServed {
        /// Whether kernels are dropped for relocations that fail.
        drops: bool,
        /// The first problems.
        problems: Vec<String>,
    },
    /// There is no forecast.
    #[error(transparent)]
    Forecast(#[from] ForecastError),
    /// The archive cannot be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// An object that cannot load on a kernel of the other byte order; libbpf's `bpf_object__check_endianness` refuses it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("object {object} is {object_order}, the kernel is {kernel_order}")]
pub struct ByteOrderError {
    /// The object's name.
    pub object: String,
    /// Its byte order.
    pub object_order: Endian,
    /// The kernel's byte order.
    pub kernel_order: Endian,
}

/// Why one kernel cannot be served; the others are not affected.
#[derive(Debug, thiserror::Error)]
pub(super) enum KernelError {
    /// Its file cannot be read.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// Its BTF is malformed.
    #[error("cannot read {}", file.display())]
    Btf { file: PathBuf, source: BtfError },
    /// An object has another byte order.
    #[error(transparent)]
    ByteOrder(#[from] ByteOrderError),
    /// Its BTF cannot be minimized.
    #[error(transparent)]
    Minimize(MinimizeError),
}

impl KernelError {
    /// The error and its causes, on one line.
    pub(super) fn chain(&self) -> String {
        let causes = std::iter::successors(Some(self as &dyn std::error::Error), |error| error.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }
}
