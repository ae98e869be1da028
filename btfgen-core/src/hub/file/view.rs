//! View: the kernels of a hub file as a set of roots sees them.

use super::error::HubFileError;
use super::kernels::KernelRow;
use super::open::{Graph, HubFile};
use super::sets::Order;
use crate::btf::is_long;
use crate::kernel::{CandidateRef, KernelTypes, preferred_long};
use crate::memo::Memo;
use crate::resolve::{RootId, RootKind, Roots};
use crate::types::{Copier, Type, TypeRef, Types};

/// Kernels of a hub file as a set of roots sees them; those that look the same are stored once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubView {
    /// Distinct kernels.
    pub distinct: Vec<KernelTypes>,
    /// For each requested kernel, in the order of the request, its index in `distinct`.
    pub kernels: Vec<usize>,
}

/// A definition that is a candidate of a root, or may be the type `long`.
#[derive(Clone, Copy)]
struct Relevant {
    ty: TypeRef,
    root: Option<RootId>,
    /// Its size in bytes if it has a name of `long`.
    long_size: Option<u32>,
}

impl HubFile {
    /// What a set of roots reaches of these kernels, given by their indices in [`HubFile::kernels`].
    ///
    /// Definitions are copied into `types`, which must continue the store of the roots.
    ///
    /// # Errors
    /// When a column is damaged.
    ///
    /// # Panics
    /// When an index is out of range.
    pub fn view(&self, types: &mut Types, roots: &Roots, kernels: &[usize]) -> Result<HubView, HubFileError> {
        let graph = self.graph()?;
        let relevant = self.relevant(graph, roots, kernels);
        let orders = graph.sets.orders.iter();
        let orders: Vec<(RootId, &Order)> =
            orders.filter_map(|order| Some((root_of(graph, roots, *order.types.first()?)?, order))).collect();
        let mut copier = Copier::new(&graph.types);
        let mut view = HubView { distinct: Vec::new(), kernels: Vec::with_capacity(kernels.len()) };
        let mut indices: Memo<KernelTypes, usize> = Memo::default();
        for &kernel in kernels {
            let model = self.kernels[kernel].model;
            let row = self.row(kernel);
            let mut lists: Vec<Vec<TypeRef>> = vec![Vec::new(); roots.roots().len()];
            let mut long: Option<TypeRef> = None;
            for it in &relevant[row.index()] {
                if let Some(root) = it.root {
                    lists[root.index()].push(it.ty);
                }
                if it.long_size == Some(model.pointer_size.into()) {
                    let ty = copier.copy(types, it.ty)?;
                    long = Some(long.map_or(ty, |long| preferred_long(types, long, ty)));
                }
            }
            for (root, order) in orders.iter().filter(|(_, order)| graph.sets.contains(order.kernels, row)) {
                let types = &order.types;
                let index = |ty: &TypeRef| types.iter().position(|other| other == ty).unwrap_or(types.len());
                lists[root.index()].sort_by_key(index);
            }
            let mut candidate = |ty| {
                let repeated = is_repeated(graph, ty, row);
                Ok(CandidateRef { ty: copier.copy(types, ty)?, repeated })
            };
            let lists = lists.into_iter().map(|list| list.into_iter().map(&mut candidate).collect());
            let candidates = lists.collect::<Result<_, HubFileError>>()?;
            let index = *indices.entry(KernelTypes { model, candidates, long }).or_insert_with_key(|new| {
                view.distinct.push(new.clone());
                view.distinct.len() - 1
            });
            view.kernels.push(index);
        }
        Ok(view)
    }

    /// For each row of the kernel table the definitions that matter, ascending; none for kernels that are not requested.
    fn relevant(&self, graph: &Graph, roots: &Roots, kernels: &[usize]) -> Vec<Vec<Relevant>> {
        let mut requested = vec![false; self.kernels.len()];
        kernels.iter().for_each(|&kernel| requested[self.row(kernel).index()] = true);
        let mut relevant: Vec<Vec<Relevant>> = vec![Vec::new(); self.kernels.len()];
        for ty in graph.types.refs() {
            let Some(holders) = graph.sets.holders(ty) else { continue };
            let root = root_of(graph, roots, ty);
            let long_size = match graph.types.get(ty) {
                Type::Int { name, size, .. } => is_long(graph.types.names().get(name)).then_some(size),
                _ => None,
            };
            if root.is_none() && long_size.is_none() {
                continue;
            }
            for row in graph.sets.kernels(holders).filter(|row| requested[row.index()]) {
                relevant[row.index()].push(Relevant { ty, root, long_size });
            }
        }
        relevant
    }
}

/// The root that a definition of the file is a candidate of.
fn root_of(graph: &Graph, roots: &Roots, ty: TypeRef) -> Option<RootId> {
    let types = &graph.types;
    roots.root_of(RootKind::of_definition(types.get(ty))?, types.names().get(types.name_of(ty)))
}

/// Whether a kernel has a definition more than once.
fn is_repeated(graph: &Graph, ty: TypeRef, kernel: KernelRow) -> bool {
    let all = &graph.sets.repeated;
    let found = all.binary_search_by_key(&ty, |repeated| repeated.ty);
    found.is_ok_and(|index| graph.sets.contains(all[index].kernels, kernel))
}
