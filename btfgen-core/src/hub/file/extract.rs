//! Extraction: one kernel of a hub file as a raw BTF.

use btfgen_runtime::KernelId;

use super::error::HubFileError;
use super::open::HubFile;
use super::sets::SetId;
use crate::memo::Memo;
use crate::types::{Copier, Emission, TypeRef, Types, emit};

impl HubFile {
    /// One kernel's types as a raw BTF, in which every relocation resolves as in the BTF that the kernel was added from.
    ///
    /// The ids are others, and there are no modifiers, functions or variables. A module's definition that is no candidate,
    /// since the kernel has one of its name, is written without its name if a candidate contains it. Only `TYPE_MATCHES`,
    /// and the comparison of a field's enum, read that name.
    ///
    /// # Errors
    /// When there is no such kernel, a column is damaged, or the types do not fit a BTF.
    pub fn extract(&self, id: &KernelId) -> Result<Vec<u8>, HubFileError> {
        let kernel = self.find(id).ok_or_else(|| HubFileError::NoKernel { kernel: id.clone() })?;
        let graph = self.graph()?;
        let row = self.row(kernel);
        let contains = |set: SetId| graph.sets.contains(set, row);
        let has = |ty| graph.sets.holders(ty).is_some_and(contains);
        let mut types = Types::new();
        let keeps_name = |ty| has(ty) || graph.sets.holders(ty).is_none();
        let mut copier = Copier::with_names(&graph.types, &keeps_name);
        for ty in graph.types.refs().filter(|&ty| has(ty)) {
            copier.copy(&mut types, ty)?;
        }
        let mut copies = Memo::default();
        for repeated in &graph.sets.repeated {
            if contains(repeated.kernels) && has(repeated.ty) {
                copies.insert(copier.copy(&mut types, repeated.ty)?, 2);
            }
        }
        let mut ordered = Vec::new();
        for order in graph.sets.orders.iter().filter(|order| contains(order.kernels)) {
            let own = order.types.iter().filter(|&&ty| has(ty));
            ordered.push(own.map(|&ty| copier.copy(&mut types, ty)).collect::<Result<_, _>>()?);
        }
        let mut definitions: Vec<TypeRef> = types.refs().skip(1).collect();
        definitions.sort_unstable_by(|&a, &b| types.compare(a, b));
        emit(&Emission { types: &types, definitions, copies, ordered }, self.kernels[kernel].model)
            .map_err(|source| HubFileError::Btf { kernel: id.clone(), source })
    }
}
