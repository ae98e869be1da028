//! Opening a hub file.

use std::sync::OnceLock;

use btfgen_runtime::KernelId;

use super::column::{Column, ColumnLength, Table};
use super::error::HubFileError;
use super::functions::Functions;
use super::kernels::{self, KernelRecord, KernelRow};
use super::read_types;
use super::sets::Sets;
use crate::types::UncheckedTypes;

/// An opened hub file: the kernel table is decoded, types and functions when they are needed.
pub struct HubFile {
    pub(super) bytes: Vec<u8>,
    table: Table,
    pub(super) kernels: Vec<KernelRecord>,
    /// For each of `kernels` its row in the file's kernel table.
    rows: Vec<KernelRow>,
    /// For each row of the file's kernel table its index in `kernels`.
    indices: Vec<usize>,
    graph: OnceLock<Graph>,
    functions: OnceLock<Functions>,
}

/// The decoded types of a file.
pub(crate) struct Graph {
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
        let mut indices = vec![0; rows.len()];
        rows.iter().enumerate().for_each(|(index, row)| indices[row.index()] = index);
        Ok(Self { bytes, table, kernels, rows, indices, graph: OnceLock::new(), functions: OnceLock::new() })
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

    /// The index in [`HubFile::kernels`] of a row in the kernel table.
    pub(super) fn index(&self, row: KernelRow) -> usize {
        self.indices[row.index()]
    }

    pub(super) fn graph(&self) -> Result<&Graph, HubFileError> {
        if let Some(graph) = self.graph.get() {
            return Ok(graph);
        }
        let is_of_types = |column: Column| !column.is_of_kernels() && !column.is_of_functions();
        let mut columns = self.table.unpack(&self.bytes, is_of_types)?;
        let types = read_types::read(&mut columns)?;
        let sets = Sets::read(&mut columns, &types, self.kernels.len())?;
        columns.end()?;
        Ok(self.graph.get_or_init(|| Graph { types, sets }))
    }

    /// Decodes and checks the functions, which only facts need.
    ///
    /// # Errors
    /// When a column of them is damaged.
    pub fn check_functions(&self) -> Result<(), HubFileError> {
        self.functions().map(|_| ())
    }

    /// The functions, decoded when they are first asked for: only facts need them.
    pub(super) fn functions(&self) -> Result<&Functions, HubFileError> {
        if let Some(functions) = self.functions.get() {
            return Ok(functions);
        }
        let is_wanted = |column: Column| column.is_of_functions() || column == Column::Sets;
        let mut columns = self.table.unpack(&self.bytes, is_wanted)?;
        let functions = Functions::read(&mut columns, self.kernels.len())?;
        columns.end()?;
        Ok(self.functions.get_or_init(|| functions))
    }
}
