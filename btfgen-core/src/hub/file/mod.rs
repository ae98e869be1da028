//! Hub file: any number of kernels in one small file, each type stored once.
//!
//! `docs/hub-file.md` specifies the layout. The file is a row of columns (`column`): the kernel table (`kernels`), the
//! definitions in canonical order (`canonical`, `nodes`, `entries`) and the sets of kernels that hold them
//! (`sets`). [`HubBuilder`] writes it, [`HubFile`] opens it and decodes what is asked for.

mod builder;
mod canonical;
mod column;
mod entries;
mod extract;
mod kernels;
mod nodes;
mod read_nodes;
mod sets;
mod stat;
mod view;

#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use btfgen_runtime::KernelId;

use crate::btf::BtfError;
use crate::types::{CopyError, Fixed};
use column::{Column, Table};
use sets::Sets;

pub use builder::HubBuilder;
pub use kernels::KernelRecord;
pub use stat::HubStat;
pub use view::HubView;

/// Why a hub file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubFileError {
    /// The first bytes are not a hub file's.
    #[error("not a hub file")]
    Foreign,
    /// A version of the layout that this reader does not know.
    #[error("hub file of version {version}, this program reads version {}", column::VERSION)]
    Version {
        /// The file's version.
        version: u32,
    },
    /// The file ends before its columns do.
    #[error("truncated hub file: it has only {len} bytes")]
    Truncated {
        /// Its length in bytes.
        len: usize,
    },
    /// Bytes were changed.
    #[error("damaged hub file: the checksum of {column} is wrong")]
    Checksum {
        /// The column, or `table`.
        column: &'static str,
    },
    /// Content that no writer makes.
    #[error("malformed hub file: {what} of {column} are out of range")]
    Malformed {
        /// The column, or `table`.
        column: &'static str,
        /// What is wrong in it.
        what: &'static str,
    },
    /// A definition that contains itself.
    #[error("malformed hub file")]
    Circle(#[from] CopyError),
    /// More than the layout's limits.
    #[error("too many or too large {what} for a hub file")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
    },
    /// A kernel's BTF cannot be read.
    #[error("kernel {kernel}")]
    Btf {
        /// The kernel's id.
        kernel: KernelId,
        /// What is wrong with its BTF.
        source: BtfError,
    },
    /// One id stands for two kernels.
    #[error("kernel {kernel} is not the same from {first:?} and from {second:?}")]
    Conflict {
        /// The kernel's id.
        kernel: KernelId,
        /// Where the one came from.
        first: String,
        /// Where the other came from.
        second: String,
    },
    /// No such kernel.
    #[error("no kernel {kernel} in the hub file")]
    NoKernel {
        /// The kernel's id.
        kernel: KernelId,
    },
    /// The compressor failed.
    #[error("compressing the hub file")]
    Compress(#[source] std::io::Error),
}

/// An opened hub file: the kernel table is read, all else when it is asked for.
pub struct HubFile {
    bytes: Vec<u8>,
    table: Table,
    kernels: Vec<KernelRecord>,
    /// For each kernel its place in the file's table.
    positions: Vec<u32>,
    graph: OnceLock<Graph>,
}

/// The decoded types of a file.
struct Graph {
    types: Fixed,
    sets: Sets,
}

impl HubFile {
    /// Opens a hub file.
    ///
    /// # Errors
    /// When the bytes are no hub file, or the table of columns or of kernels is damaged.
    pub fn open(bytes: Vec<u8>) -> Result<Self, HubFileError> {
        let table = Table::open(&bytes)?;
        let stored = kernels::read(&mut table.unpack(&bytes, Column::is_of_kernels))?;
        let mut positions: Vec<u32> = (0..stored.len() as u32).collect();
        positions.sort_unstable_by(|&a, &b| stored[a as usize].id.cmp(&stored[b as usize].id));
        let kernels = positions.iter().map(|&place| stored[place as usize].clone()).collect();
        Ok(Self { bytes, table, kernels, positions, graph: OnceLock::new() })
    }

    /// The kernels, sorted by id.
    pub fn kernels(&self) -> &[KernelRecord] {
        &self.kernels
    }

    /// A kernel's place among [`HubFile::kernels`].
    pub fn find(&self, id: &KernelId) -> Option<usize> {
        self.kernels.binary_search_by(|kernel| kernel.id.cmp(id)).ok()
    }

    /// Reads everything, as far as that is not done yet.
    ///
    /// # Errors
    /// When a column is damaged.
    pub fn check(&self) -> Result<(), HubFileError> {
        self.graph().map(|_| ())
    }

    /// For each column its name, its stored and its full length in bytes.
    pub fn columns(&self) -> impl Iterator<Item = (&'static str, usize, usize)> + '_ {
        self.table.lengths()
    }

    fn position(&self, kernel: usize) -> usize {
        self.positions[kernel] as usize
    }

    fn graph(&self) -> Result<&Graph, HubFileError> {
        if let Some(graph) = self.graph.get() {
            return Ok(graph);
        }
        let mut columns = self.table.unpack(&self.bytes, |column| !column.is_of_kernels());
        let types = read_nodes::read(&mut columns)?;
        let sets = Sets::read(&mut columns, &types, self.kernels.len())?;
        Ok(self.graph.get_or_init(|| Graph { types, sets }))
    }
}
