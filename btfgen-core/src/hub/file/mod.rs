//! Hub file: any number of kernels in one small file, each type stored once.
//!
//! `docs/hub-file.md` specifies the layout. A file is a list of columns (`column`): the kernel table (`kernels`), the
//! definitions in canonical order (`canonical`, `entries`, `write_types`, `read_types`) and the sets of kernels that
//! have them (`sets`), and the functions (`functions`). [`HubBuilder`] writes a file; [`HubFile`] opens one and decodes what is asked for (`open`,
//! `stat`, `view`, `extract`, `query`).
//!
//! In the order of imports: `error`, `column`, `kernels`, `canonical`, `entries`, `write_types`, `read_types`, `sets`,
//! `functions`, `kernel_set`, `open`, `stat`, `view`, `extract`, `query`, `builder`.

mod builder;
mod canonical;
mod column;
mod entries;
mod error;
mod extract;
mod functions;
mod kernel_set;
mod kernels;
mod open;
mod query;
mod read_types;
mod sets;
mod stat;
mod view;
mod write_types;

#[cfg(test)]
mod build_id_tests;
#[cfg(test)]
mod tests;

pub use builder::{HubBuilder, KernelSource, ModuleSource};
pub use column::ColumnLength;
pub use error::HubFileError;
pub use kernel_set::KernelSet;
pub use kernels::KernelRecord;
pub use open::HubFile;
pub(crate) use query::Decoded;
pub use query::{FunctionFacts, FunctionSummary};
pub use stat::{Growth, HubStat};
pub use view::HubView;
