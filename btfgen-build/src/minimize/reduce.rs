//! Reduction: a footprint's definitions cut down to what was read, in a store of their own.

use super::Footprint;
use crate::memo::Memo;
use crate::resolve::NodeReads;
use crate::types::{Enumerator, Member, Name, Type, TypeRef, Types};

/// The definitions of a minimized BTF.
pub(crate) struct Reduced {
    /// The definitions.
    pub(crate) types: Types,
    /// Roots, each with the number of copies needed.
    pub(crate) roots: Memo<TypeRef, usize>,
    /// Roots whose order of ids decides something, in that order.
    pub(crate) ordered: Vec<Vec<TypeRef>>,
}

struct Reducer<'f> {
    source: &'f Types,
    footprint: &'f Footprint,
    types: Types,
    known: Memo<TypeRef, TypeRef>,
}

/// Cuts a footprint's definitions down.
pub(super) fn reduce(source: &Types, footprint: &Footprint) -> Reduced {
    let mut reducer = Reducer { source, footprint, types: Types::new(), known: Memo::default() };
    let mut roots = Memo::default();
    for (&ty, copies) in &footprint.roots {
        let reduced = reducer.reduce(ty);
        // Candidates that differ only in what nobody read become one, except where their ids are asked for: then a
        // second candidate makes the relocation ambiguous, and must go on doing so; a third adds nothing.
        let written = roots.entry(reduced).or_insert(0);
        *written = if copies.by_id { (*written + copies.count).min(2) } else { 1 };
    }
    let ordered = footprint
        .ordered
        .iter()
        .map(|list| {
            let mut list: Vec<TypeRef> = list.iter().map(|&ty| reducer.reduce(ty)).collect();
            let mut seen = std::collections::HashSet::new();
            list.retain(|&ty| seen.insert(ty));
            list
        })
        .collect();
    Reduced { types: reducer.types, roots, ordered }
}

impl Reducer<'_> {
    fn name(&mut self, name: Name) -> Name {
        let bytes = self.source.names().get(name);
        self.types.names_mut().add(bytes)
    }

    /// The name, if it was read or if others find the type by it.
    fn own_name(&mut self, ty: TypeRef, reads: &NodeReads) -> Name {
        if reads.name || self.footprint.roots.contains_key(&ty) {
            self.name(self.source.name_of(ty))
        } else {
            Name::EMPTY
        }
    }

    fn reduce(&mut self, ty: TypeRef) -> TypeRef {
        if let Some(&known) = self.known.get(&ty) {
            return known;
        }
        let none = NodeReads::default();
        let reads = self.footprint.reads.get(ty).unwrap_or(&none);
        let reduced = match self.source.get(ty) {
            Type::Void => TypeRef::VOID,
            Type::Int { size, encoding, offset, bits, .. } => {
                let name = self.own_name(ty, reads);
                self.types.add(Type::Int { name, size, encoding, offset, bits })
            }
            Type::Float { size, .. } => {
                let name = self.own_name(ty, reads);
                self.types.add(Type::Float { name, size })
            }
            Type::Ptr { pointee } => {
                let pointee = if reads.contents { self.reduce(pointee) } else { TypeRef::VOID };
                self.types.add(Type::Ptr { pointee })
            }
            Type::Array { element, len } => {
                let element = self.reduce(element);
                self.types.add(Type::Array { element, len })
            }
            Type::Composite { kind, size, .. } => {
                let name = self.own_name(ty, reads);
                let source = self.source;
                let members: Vec<Member> = entries(source.members(ty), reads)
                    .map(|member| Member {
                        name: self.name(member.name),
                        ty: self.reduce(member.ty),
                        ..*member
                    })
                    .collect();
                let size = if reads.size { size } else { 0 };
                self.types.add_composite(kind, name, size, &members)
            }
            Type::Enum { size, signed, wide, .. } => {
                let name = self.own_name(ty, reads);
                let source = self.source;
                let enumerators: Vec<Enumerator> = entries(source.enumerators(ty), reads)
                    .map(|enumerator| Enumerator { name: self.name(enumerator.name), ..*enumerator })
                    .collect();
                self.types.add_enum(name, size, signed, wide, &enumerators)
            }
            Type::Fwd { kind, .. } => {
                let name = self.own_name(ty, reads);
                self.types.add(Type::Fwd { kind, name })
            }
            Type::Named { kind, .. } => {
                let name = self.own_name(ty, reads);
                self.types.add(Type::Named { kind, name })
            }
            Type::Typedef { target, .. } => {
                let name = self.own_name(ty, reads);
                let target = self.reduce(target);
                self.types.add(Type::Typedef { name, target })
            }
            Type::FuncProto { result } if reads.contents => {
                let result = self.reduce(result);
                let source = self.source;
                let params: Vec<TypeRef> =
                    source.params(ty).iter().map(|&param| self.reduce(param)).collect();
                self.types.add_func_proto(result, &params)
            }
            Type::FuncProto { .. } => self.types.add_func_proto(TypeRef::VOID, &[]),
        };
        self.known.insert(ty, reduced);
        reduced
    }
}

/// Members or enumerators that were read, in their order, with as many more, from the first, as there must be at least.
fn entries<'t, T>(all: &'t [T], reads: &NodeReads) -> impl Iterator<Item = &'t T> {
    let mut keep = vec![false; all.len()];
    for &entry in &reads.entries {
        if let Some(keep) = keep.get_mut(entry as usize) {
            *keep = true;
        }
    }
    if reads.last
        && let Some(last) = keep.last_mut()
    {
        *last = true;
    }
    let kept = keep.iter().filter(|&&keep| keep).count();
    let missing = (reads.at_least as usize).saturating_sub(kept);
    keep.iter_mut().filter(|keep| !**keep).take(missing).for_each(|keep| *keep = true);
    all.iter().zip(keep).filter(|&(_, keep)| keep).map(|(entry, _)| entry)
}
