//! Statistics: what the kernels of a hub file share.

use super::error::HubFileError;
use super::open::HubFile;

/// What the kernels of a hub file share.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubStat {
    /// Number of kernels.
    pub kernels: usize,
    /// Named types, each counted for each kernel that has it.
    pub types: u64,
    /// Distinct named types.
    pub distinct: u64,
    /// Bytes of the kernels' sources.
    pub source_bytes: u64,
    /// Bytes of the hub file.
    pub bytes: u64,
    /// Types of the first kernel, the first two, and so on, in the order of the kernel table.
    pub growth: Vec<Growth>,
}

/// Types of some of the kernels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Growth {
    /// Named types, each counted for each kernel that has it.
    pub types: u64,
    /// Distinct named types.
    pub distinct: u64,
}

impl HubFile {
    /// Counts what the kernels share.
    ///
    /// # Errors
    /// When a column is damaged.
    pub fn stat(&self) -> Result<HubStat, HubFileError> {
        let graph = self.graph()?;
        let mut growth = vec![Growth::default(); self.kernels.len()];
        for ty in graph.types.refs() {
            let Some(holders) = graph.sets.holders(ty) else { continue };
            let mut kernels = graph.sets.kernels(holders).peekable();
            if let Some(first) = kernels.peek() {
                growth[first.index()].distinct += 1;
            }
            kernels.for_each(|kernel| growth[kernel.index()].types += 1);
        }
        let mut total = Growth::default();
        for kernel in &mut growth {
            total.types += kernel.types;
            total.distinct += kernel.distinct;
            *kernel = total;
        }
        Ok(HubStat {
            kernels: self.kernels.len(),
            types: total.types,
            distinct: total.distinct,
            source_bytes: self.kernels.iter().map(|kernel| kernel.size).sum(),
            bytes: self.bytes.len() as u64,
            growth,
        })
    }
}
