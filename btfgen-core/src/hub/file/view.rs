//! View: the kernels of a hub file as a set of roots sees them.

use std::collections::HashMap;

use super::error::HubFileError;
use super::kernels::KernelRow;
use super::open::{Graph, HubFile};
use super::sets::SetId;
use crate::btf::{DataModel, is_long};
use crate::kernel::{CandidateRef, KernelTypes, preferred_long};
use crate::memo::Memo;
use crate::resolve::{RootId, RootKind, Roots};
use crate::types::{Copier, Name, Type, TypeRef, Types};

/// Kernels of a hub file as a set of roots sees them; those that look the same are stored once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubView {
    /// Distinct kernels.
    pub distinct: Vec<KernelTypes>,
    /// For each kernel that was asked for, in that order, its index in `distinct`.
    pub kernels: Vec<usize>,
}

/// A definition that is a candidate of a root, or may be the type `long`.
struct Relevant {
    ty: TypeRef,
    holders: SetId,
    root: Option<RootId>,
    is_long: bool,
}

/// The part of a file that a set of roots sees.
struct Seen<'v> {
    graph: &'v Graph,
    /// Number of roots.
    roots: usize,
    /// Ascending by definition.
    relevant: &'v [Relevant],
    /// For each of the file's orders its root.
    order_roots: &'v [Option<RootId>],
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
    /// When there is no kernel of one of the indices.
    pub fn view(&self, types: &mut Types, roots: &Roots, kernels: &[usize]) -> Result<HubView, HubFileError> {
        let graph = self.graph()?;
        let mut finder = RootFinder::new(graph, roots);
        let relevant = relevant(graph, &mut finder);
        let orders = graph.sets.orders.iter();
        let order_roots: Vec<Option<RootId>> =
            orders.map(|order| finder.root_of(*order.types.first()?)).collect();
        let seen = Seen { graph, roots: roots.roots().len(), relevant: &relevant, order_roots: &order_roots };
        let groups = self.groups(graph, &relevant, kernels);
        let mut copier = Copier::new(&graph.types);
        let mut view = HubView { distinct: Vec::new(), kernels: Vec::with_capacity(kernels.len()) };
        let mut indices: Memo<GroupId, usize> = Memo::default();
        for &kernel in kernels {
            let group = groups[self.row(kernel).index()].unwrap_or_default();
            let index = match indices.get(&group) {
                Some(&index) => index,
                None => {
                    view.distinct.push(self.kernel_types(&seen, &mut copier, types, kernel)?);
                    indices.insert(group, view.distinct.len() - 1);
                    view.distinct.len() - 1
                }
            };
            view.kernels.push(index);
        }
        Ok(view)
    }

    /// Groups kernels that have the same relevant definitions: for each row of the kernel table its group, none for those
    /// not asked for.
    fn groups(&self, graph: &Graph, relevant: &[Relevant], kernels: &[usize]) -> Vec<Option<GroupId>> {
        let mut groups: Vec<Option<GroupId>> = vec![None; self.kernels.len()];
        let mut by_model: HashMap<DataModel, GroupId> = HashMap::new();
        let mut last = GroupId::default();
        for &kernel in kernels {
            let group = by_model.entry(self.kernels[kernel].model).or_insert_with(|| last.next());
            groups[self.row(kernel).index()] = Some(*group);
        }
        // Each set splits every group in two: its kernels leave for a new one.
        let mut moved: Memo<GroupId, GroupId> = Memo::default();
        for set in relevant_sets(graph, relevant) {
            moved.clear();
            for kernel in graph.sets.kernels(set) {
                if let Some(group) = &mut groups[kernel.index()] {
                    *group = *moved.entry(*group).or_insert_with(|| last.next());
                }
            }
        }
        groups
    }

    fn kernel_types(
        &self,
        &Seen { graph, roots, relevant, order_roots }: &Seen<'_>,
        copier: &mut Copier<'_>,
        types: &mut Types,
        kernel: usize,
    ) -> Result<KernelTypes, HubFileError> {
        let model = self.kernels[kernel].model;
        let row = self.row(kernel);
        let mut lists: Vec<Vec<TypeRef>> = vec![Vec::new(); roots];
        let mut long: Option<TypeRef> = None;
        for it in relevant.iter().filter(|it| graph.sets.contains(it.holders, row)) {
            if let Some(root) = it.root {
                lists[root.index()].push(it.ty);
            }
            let size = match graph.types.get(it.ty) {
                Type::Int { size, .. } => size,
                _ => 0,
            };
            if it.is_long && size == u32::from(model.pointer_size) {
                let ty = copier.copy(types, it.ty)?;
                long = Some(long.map_or(ty, |long| preferred_long(types, long, ty)));
            }
        }
        for (order, root) in graph.sets.orders.iter().zip(order_roots) {
            let Some(root) = root.filter(|_| graph.sets.contains(order.kernels, row)) else { continue };
            let types = &order.types;
            let index = |ty: &TypeRef| types.iter().position(|other| other == ty).unwrap_or(types.len());
            lists[root.index()].sort_by_key(index);
        }
        let mut candidates = Vec::with_capacity(lists.len());
        for list in lists {
            let mut copies: Vec<CandidateRef> = Vec::with_capacity(list.len());
            for ty in list {
                copies.push(CandidateRef {
                    ty: copier.copy(types, ty)?,
                    repeated: is_repeated(graph, ty, row),
                });
            }
            candidates.push(copies);
        }
        Ok(KernelTypes { model, candidates, long })
    }
}

/// A group of kernels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct GroupId(u32);

impl GroupId {
    /// A group that was never returned before.
    fn next(&mut self) -> Self {
        self.0 += 1;
        *self
    }
}

/// Whether a kernel has a definition more than once.
fn is_repeated(graph: &Graph, ty: TypeRef, kernel: KernelRow) -> bool {
    let all = &graph.sets.repeated;
    let found = all.binary_search_by_key(&ty, |repeated| repeated.ty);
    found.is_ok_and(|index| graph.sets.contains(all[index].kernels, kernel))
}

/// Finds the roots of a file's definitions; each name is looked up once.
struct RootFinder<'g> {
    graph: &'g Graph,
    roots: &'g Roots,
    /// For each of the file's names that was looked up, its essential name among those of the roots, if there is one.
    names: Vec<Option<Option<Name>>>,
}

impl<'g> RootFinder<'g> {
    fn new(graph: &'g Graph, roots: &'g Roots) -> Self {
        Self { graph, roots, names: vec![None; graph.types.names().len()] }
    }

    fn root_of(&mut self, ty: TypeRef) -> Option<RootId> {
        let types = &self.graph.types;
        let kind = RootKind::of_definition(types.get(ty))?;
        let name = types.name_of(ty);
        let find = || self.roots.essential_name(types.names().get(name));
        let essential = self.names.get_mut(name.index())?.get_or_insert_with(find);
        self.roots.root_named(kind, (*essential)?)
    }
}

fn relevant(graph: &Graph, finder: &mut RootFinder<'_>) -> Vec<Relevant> {
    let mut relevant = Vec::new();
    for ty in graph.types.refs() {
        let Some(holders) = graph.sets.holders(ty) else { continue };
        let root = finder.root_of(ty);
        let is_int = matches!(graph.types.get(ty), Type::Int { .. });
        let is_long = is_int && is_long(graph.types.names().get(graph.types.name_of(ty)));
        if root.is_some() || is_long {
            relevant.push(Relevant { ty, holders, root, is_long });
        }
    }
    relevant
}

/// The distinct sets by which kernels differ.
fn relevant_sets(graph: &Graph, relevant: &[Relevant]) -> Vec<SetId> {
    let is_relevant = |ty: TypeRef| relevant.binary_search_by_key(&ty, |it| it.ty).is_ok();
    let holders = relevant.iter().map(|it| it.holders);
    let repeated = graph.sets.repeated.iter().filter(|it| is_relevant(it.ty)).map(|it| it.kernels);
    let orders = graph.sets.orders.iter();
    let orders = orders.filter(|order| order.types.first().is_some_and(|&ty| is_relevant(ty)));
    let mut sets: Vec<SetId> = holders.chain(repeated).chain(orders.map(|order| order.kernels)).collect();
    sets.sort_unstable();
    sets.dedup();
    sets
}
