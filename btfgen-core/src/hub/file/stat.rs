//! Statistics: what the kernels of a hub file share.

use super::sets::Sets;
use super::{HubFile, HubFileError};

/// What the kernels of a hub file share.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubStat {
    /// Number of kernels.
    pub kernels: usize,
    /// Named types of all kernels, each counted for each kernel that holds it.
    pub types: u64,
    /// Distinct named types.
    pub distinct: u64,
    /// Bytes of the BTFs that the kernels were added from.
    pub source_bytes: u64,
    /// Bytes of the hub file.
    pub bytes: u64,
    /// For each number of kernels, from 1 on, their types and their distinct types; kernels in the order of the file's
    /// table, in which similar ones stand together.
    pub growth: Vec<(u64, u64)>,
}

impl HubFile {
    /// Counts what the kernels share.
    ///
    /// # Errors
    /// When a column is damaged.
    pub fn stat(&self) -> Result<HubStat, HubFileError> {
        let graph = self.graph()?;
        let mut growth = vec![(0u64, 0u64); self.kernels.len()];
        for ty in 0..graph.types.len() as u32 {
            let set = graph.sets.holders(ty);
            if set == Sets::NONE {
                continue;
            }
            let mut first = true;
            for kernel in graph.sets.kernels(set) {
                let place = &mut growth[kernel as usize];
                place.0 += 1;
                place.1 += u64::from(std::mem::take(&mut first));
            }
        }
        let (mut types, mut distinct) = (0, 0);
        for place in &mut growth {
            types += place.0;
            distinct += place.1;
            *place = (types, distinct);
        }
        Ok(HubStat {
            kernels: self.kernels.len(),
            types,
            distinct,
            source_bytes: self.kernels.iter().map(|kernel| kernel.size).sum(),
            bytes: self.bytes.len() as u64,
            growth,
        })
    }
}
