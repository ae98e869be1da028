//! Opening a hub file.

use std::sync::OnceLock;

use btfgen_runtime::KernelId;

use super::column::{Column, ColumnLength, Table};
use super::error::HubFileError;
use super::kernels::{self, KernelRecord, KernelRow};
use super::read_types;
use super::sets::Sets;
use crate::types::UncheckedTypes;

/// An opened hub file: the kernel table is decoded, the types when they are needed.
pub struct HubFile {
    pub(super) bytes: Vec<u8>,
    table: Table,
    pub(super) kernels: Vec<KernelRecord>,
    /// For each of `kernels` its row in the file's kernel table.
    rows: Vec<KernelRow>,
    graph: OnceLock<Graph>,
}

/// The decoded types of a file.
pub(super) struct Graph {
    pub(super) types: UncheckedTypes,
    pub(super) sets: Sets,
}

impl HubFile {
    /// Opens a hub file.
    ///
    /// # Errors
    /// When the bytes are not a hub file, or the table of columns or that of kernels is damaged.
    pub fn open(bytes: Vec<u8>) -> Result<Self, HubFileError> {
        let table = Table::open(&bytes)?;
        let stored = kernels::read(&mut table.unpack(&bytes, Column::is_of_kernels)?)?;
        let mut rows: Vec<KernelRow> = (0..stored.len() as u32).map(KernelRow).collect();
        rows.sort_unstable_by(|a, b| stored[a.index()].id.cmp(&stored[b.index()].id));
        let kernels = rows.iter().map(|row| stored[row.index()].clone()).collect();
        Ok(Self { bytes, table, kernels, rows, graph: OnceLock::new() })
    }

    /// The kernels, sorted by id.
    pub fn kernels(&self) -> &[KernelRecord] {
        &self.kernels
    }

    /// A kernel's index in [`HubFile::kernels`].
    pub fn find(&self, id: &KernelId) -> Option<usize> {
        self.kernels.binary_search_by(|kernel| kernel.id.cmp(id)).ok()
    }

    /// Decodes the types, if that is not done yet.
    ///
    /// # Errors
    /// When a column is damaged.
    pub fn check(&self) -> Result<(), HubFileError> {
        self.graph().map(|_| ())
    }

    /// Name and length of each column.
    pub fn columns(&self) -> impl Iterator<Item = ColumnLength> + '_ {
        self.table.lengths()
    }

    /// The row in the kernel table of the kernel with that index in [`HubFile::kernels`].
    pub(super) fn row(&self, kernel: usize) -> KernelRow {
        self.rows[kernel]
    }

    pub(super) fn graph(&self) -> Result<&Graph, HubFileError> {
        if let Some(graph) = self.graph.get() {
            return Ok(graph);
        }
        let mut columns = self.table.unpack(&self.bytes, |column| !column.is_of_kernels())?;
        let types = read_types::read(&mut columns)?;
        let sets = Sets::read(&mut columns, &types, self.kernels.len())?;
        columns.end()?;
        Ok(self.graph.get_or_init(|| Graph { types, sets }))
    }
}
