//! View: the kernels of a hub file as a set of roots sees them.

use std::collections::HashMap;

use super::sets::Sets;
use super::{Graph, HubFile, HubFileError};
use crate::btf::{DataModel, is_long};
use crate::kernel::{CandidateRef, KernelTypes, preferred_long};
use crate::resolve::{RootKind, Roots};
use crate::types::{Composite, Copier, Name, Type, TypeRef, Types};

/// Kernels of a hub file as a set of roots sees them; those that look the same share one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubView {
    /// Distinct kernels.
    pub distinct: Vec<KernelTypes>,
    /// For each kernel that was asked for, in that order, its place in `distinct`.
    pub kernels: Vec<usize>,
}

/// A definition that some root's questions are asked of, or that may be the type `long`.
struct Relevant {
    ty: u32,
    set: u32,
    root: Option<usize>,
    long: bool,
}

/// What of a file a set of roots sees.
struct Seen<'v> {
    graph: &'v Graph,
    /// Number of roots.
    roots: usize,
    relevant: &'v [Relevant],
    /// For each of the file's orders its root.
    order_roots: &'v [Option<usize>],
}

impl HubFile {
    /// What a set of roots reaches of these kernels, given by their places among [`HubFile::kernels`].
    ///
    /// Definitions are copied into `types`, which must continue the roots' own.
    ///
    /// # Errors
    /// When a column is damaged.
    ///
    /// # Panics
    /// When there is no kernel at one of the places.
    pub fn view(&self, types: &mut Types, roots: &Roots, kernels: &[usize]) -> Result<HubView, HubFileError> {
        let graph = self.graph()?;
        let mut finder = RootFinder::new(graph, roots);
        let relevant = relevant(graph, &mut finder);
        let orders = graph.sets.orders.iter();
        let order_roots: Vec<Option<usize>> =
            orders.map(|(order, _)| finder.root_of(*order.first()?)).collect();
        let seen = Seen { graph, roots: roots.roots().len(), relevant: &relevant, order_roots: &order_roots };
        let (groups, members) = self.group(graph, &relevant, kernels);
        let mut copier = Copier::new(&graph.types);
        let mut distinct = Vec::with_capacity(members.len());
        for kernel in members {
            distinct.push(self.kernel_types(&seen, &mut copier, types, kernel)?);
        }
        Ok(HubView { distinct, kernels: groups })
    }

    /// Groups kernels that hold the same of what is relevant: each one's group, and one kernel of each group.
    fn group(&self, graph: &Graph, relevant: &[Relevant], kernels: &[usize]) -> (Vec<usize>, Vec<usize>) {
        const OUT: u32 = u32::MAX;
        let mut group_of = vec![OUT; self.kernels.len()];
        let mut by_model: HashMap<DataModel, u32> = HashMap::new();
        let mut sizes: Vec<u32> = Vec::new();
        for &kernel in kernels {
            let next = by_model.len() as u32;
            let group = *by_model.entry(self.kernels[kernel].model).or_insert(next);
            sizes.resize(sizes.len().max(group as usize + 1), 0);
            let place = &mut group_of[self.position(kernel)];
            sizes[group as usize] += u32::from(*place == OUT);
            *place = group;
        }
        let mut hits = vec![0u32; sizes.len()];
        let mut moved: Vec<u32> = vec![OUT; sizes.len()];
        for set in relevant_sets(graph, relevant) {
            let inside = || graph.sets.kernels(set).filter(|&kernel| group_of[kernel as usize] != OUT);
            let mut touched = Vec::new();
            for kernel in inside() {
                let group = group_of[kernel as usize];
                if hits[group as usize] == 0 {
                    touched.push(group);
                }
                hits[group as usize] += 1;
            }
            touched.retain(|&group| {
                let (hit, size) = (hits[group as usize], sizes[group as usize]);
                hits[group as usize] = 0;
                if hit < size {
                    moved[group as usize] = sizes.len() as u32;
                    sizes[group as usize] -= hit;
                    sizes.push(hit);
                    hits.push(0);
                    moved.push(OUT);
                }
                hit < size
            });
            if touched.is_empty() {
                continue;
            }
            for kernel in graph.sets.kernels(set) {
                let group = &mut group_of[kernel as usize];
                if *group != OUT && moved[*group as usize] != OUT {
                    *group = moved[*group as usize];
                }
            }
            touched.iter().for_each(|&group| moved[group as usize] = OUT);
        }
        // Groups are numbered by the first of the kernels that is in each.
        let mut numbers = vec![usize::MAX; sizes.len()];
        let mut members = Vec::new();
        let groups = kernels
            .iter()
            .map(|&kernel| {
                let number = &mut numbers[group_of[self.position(kernel)] as usize];
                if *number == usize::MAX {
                    *number = members.len();
                    members.push(kernel);
                }
                *number
            })
            .collect();
        (groups, members)
    }

    fn kernel_types(
        &self,
        &Seen { graph, roots, relevant, order_roots }: &Seen<'_>,
        copier: &mut Copier<'_>,
        types: &mut Types,
        kernel: usize,
    ) -> Result<KernelTypes, HubFileError> {
        let model = self.kernels[kernel].model;
        let position = self.position(kernel) as u32;
        let mut numbers: Vec<Vec<u32>> = vec![Vec::new(); roots];
        let mut long: Option<TypeRef> = None;
        for it in relevant.iter().filter(|it| graph.sets.contains(it.set, position)) {
            if let Some(root) = it.root {
                numbers[root].push(it.ty);
            }
            let size = match graph.types.get(TypeRef::at(it.ty)) {
                Type::Int { size, .. } => size,
                _ => 0,
            };
            if it.long && size == u32::from(model.pointer_size) {
                let ty = copier.copy(types, TypeRef::at(it.ty))?;
                long = Some(long.map_or(ty, |long| preferred_long(types, long, ty)));
            }
        }
        for ((order, set), root) in graph.sets.orders.iter().zip(order_roots) {
            let Some(root) = root.filter(|_| graph.sets.contains(*set, position)) else { continue };
            let place = |ty: &u32| order.iter().position(|other| other == ty).unwrap_or(order.len());
            numbers[root].sort_by_key(place);
        }
        let repeated = |ty: u32| {
            let start = graph.sets.repeated.partition_point(|&(other, _)| other < ty);
            let same = graph.sets.repeated.iter().skip(start).take_while(|&&(other, _)| other == ty);
            same.into_iter().any(|&(_, set)| graph.sets.contains(set, position))
        };
        let mut candidates = Vec::with_capacity(numbers.len());
        for list in numbers {
            let mut copies: Vec<CandidateRef> = Vec::with_capacity(list.len());
            for number in list {
                let ty = copier.copy(types, TypeRef::at(number))?;
                copies.push(CandidateRef { ty, repeated: repeated(number) });
            }
            candidates.push(copies);
        }
        Ok(KernelTypes { model, candidates, long })
    }
}

fn root_kind(ty: Type) -> Option<RootKind> {
    Some(match ty {
        Type::Int { .. } => RootKind::Int,
        Type::Float { .. } => RootKind::Float,
        Type::Composite { kind: Composite::Struct, .. } => RootKind::Struct,
        Type::Composite { kind: Composite::Union, .. } => RootKind::Union,
        Type::Enum { .. } => RootKind::Enum,
        Type::Fwd { .. } => RootKind::Fwd,
        Type::Typedef { .. } => RootKind::Typedef,
        _ => return None,
    })
}

/// Finds the roots of a file's definitions, each name looked up once.
struct RootFinder<'g> {
    graph: &'g Graph,
    roots: &'g Roots,
    /// For each of the file's names, once looked up, its essential name among the roots'.
    names: Vec<Option<Option<Name>>>,
}

impl<'g> RootFinder<'g> {
    fn new(graph: &'g Graph, roots: &'g Roots) -> Self {
        Self { graph, roots, names: vec![None; graph.types.names().len()] }
    }

    fn root_of(&mut self, ty: u32) -> Option<usize> {
        let types = &self.graph.types;
        let ty = TypeRef::at(ty);
        let kind = root_kind(types.get(ty))?;
        let name = types.name_of(ty);
        let find = || self.roots.essential_name(types.names().get(name));
        let essential = self.names.get_mut(name.index())?.get_or_insert_with(find);
        self.roots.root_named(kind, (*essential)?)
    }
}

fn relevant(graph: &Graph, finder: &mut RootFinder<'_>) -> Vec<Relevant> {
    let mut relevant = Vec::new();
    for ty in 1..graph.types.len() as u32 {
        let set = graph.sets.holders(ty);
        if set == Sets::NONE {
            continue;
        }
        let root = finder.root_of(ty);
        let reference = TypeRef::at(ty);
        let int = matches!(graph.types.get(reference), Type::Int { .. });
        let long = int && is_long(graph.types.names().get(graph.types.name_of(reference)));
        if root.is_some() || long {
            relevant.push(Relevant { ty, set, root, long });
        }
    }
    relevant
}

/// The distinct sets that tell kernels apart.
fn relevant_sets(graph: &Graph, relevant: &[Relevant]) -> Vec<u32> {
    let is_relevant = |ty: u32| relevant.binary_search_by_key(&ty, |it| it.ty).is_ok();
    let own = relevant.iter().map(|it| it.set);
    let repeated = graph.sets.repeated.iter().filter(|(ty, _)| is_relevant(*ty)).map(|(_, set)| *set);
    let ordered = |order: &[u32]| order.first().is_some_and(|&ty| is_relevant(ty));
    let orders = graph.sets.orders.iter().filter(|(order, _)| ordered(order)).map(|(_, set)| *set);
    let mut sets: Vec<u32> = own.chain(repeated).chain(orders).collect();
    sets.sort_unstable();
    sets.dedup();
    sets
}
