//! Extraction: one kernel of a hub file as a raw BTF.

use crate::memo::Memo;

use btfgen_runtime::KernelId;

use super::{HubFile, HubFileError};
use crate::minimize::{Reduced, emit};
use crate::types::{Copier, Ranking, TypeRef, Types};

impl HubFile {
    /// One kernel's types as a raw BTF, in which every relocation resolves as in the BTF that the kernel was added from.
    ///
    /// Ids, modifiers, functions and variables are not kept.
    ///
    /// # Errors
    /// When there is no such kernel, a column is damaged, or the types do not fit a BTF.
    pub fn extract(&self, id: &KernelId) -> Result<Vec<u8>, HubFileError> {
        let kernel = self.find(id).ok_or_else(|| HubFileError::NoKernel { kernel: id.clone() })?;
        let graph = self.graph()?;
        let position = self.position(kernel) as u32;
        let held = |set: u32| graph.sets.contains(set, position);
        let mut types = Types::new();
        let mut copier = Copier::new(&graph.types);
        for ty in 1..graph.types.len() as u32 {
            if held(graph.sets.holders(ty)) {
                copier.copy(&mut types, TypeRef::at(ty))?;
            }
        }
        let mut roots = Memo::default();
        for &(ty, set) in graph.sets.repeated.iter().filter(|(_, set)| held(*set)) {
            if held(graph.sets.holders(ty)) && held(set) {
                roots.insert(copier.copy(&mut types, TypeRef::at(ty))?, 2);
            }
        }
        let mut ordered = Vec::new();
        for (order, _) in graph.sets.orders.iter().filter(|(_, set)| held(*set)) {
            let own = order.iter().filter(|&&ty| held(graph.sets.holders(ty)));
            let order = own.map(|&ty| copier.copy(&mut types, TypeRef::at(ty))).collect::<Result<_, _>>()?;
            ordered.push(order);
        }
        let mut ranking = Ranking::default();
        ranking.update(&types);
        let definitions = ranking.order().to_vec();
        emit(&Reduced { types: &types, definitions, roots, ordered }, self.kernels[kernel].model)
            .map_err(|source| HubFileError::Btf { kernel: id.clone(), source })
    }
}
