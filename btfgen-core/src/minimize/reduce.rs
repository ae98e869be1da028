//! Reduction: a footprint's definitions without the parts that were not read, in a store shared by all kernels.

use super::footprint::Footprint;
use crate::memo::Memo;
use crate::resolve::TypeReads;
use crate::types::{Emission, Enumerator, Member, Name, Ranking, Type, TypeRef, Types};

/// Reduces footprint after footprint; definitions that they have in common are stored and ordered once.
pub(super) struct Reducer {
    types: Types,
    ranking: Ranking,
    /// For each name of the source, once seen, its name in `types`.
    names: Vec<Option<Name>>,
}

/// The reduction of one footprint.
struct Reduction<'f> {
    source: &'f Types,
    footprint: &'f Footprint,
    reducer: &'f mut Reducer,
    /// For each definition of the source its reduced definition, once known.
    known: Vec<Option<TypeRef>>,
    /// For each reduced definition whether `definitions` contains it.
    listed: Vec<bool>,
    definitions: Vec<TypeRef>,
    /// Stacks of the members and parameters of the definitions in progress.
    members: Vec<Member>,
    params: Vec<TypeRef>,
}

impl Reducer {
    pub(super) fn new() -> Self {
        Self { types: Types::new(), ranking: Ranking::default(), names: Vec::new() }
    }

    /// Reduces a footprint's definitions; `source` must be the same store every time.
    pub(super) fn reduce(&mut self, source: &Types, footprint: &Footprint) -> Emission<'_> {
        self.names.resize(source.names().len(), None);
        let mut reduction = Reduction {
            source,
            footprint,
            known: vec![None; source.len()],
            listed: vec![false; self.types.len()],
            definitions: Vec::new(),
            members: Vec::new(),
            params: Vec::new(),
            reducer: self,
        };
        let mut roots = Memo::default();
        for (&ty, copies) in &footprint.roots {
            let reduced = reduction.reduce(ty);
            // Candidates that differ only in parts that were not read become one. If their ids are read, two must be
            // written, since the second candidate makes the relocation ambiguous; a third changes nothing.
            let written = roots.entry(reduced).or_insert(0);
            *written = if copies.by_id { (*written + copies.count).min(2) } else { 1 };
        }
        let mut ordered = Vec::with_capacity(footprint.ordered.len());
        for list in &footprint.ordered {
            let mut list: Vec<TypeRef> = list.iter().map(|&ty| reduction.reduce(ty)).collect();
            let mut seen = std::collections::HashSet::new();
            list.retain(|&ty| seen.insert(ty));
            ordered.push(list);
        }
        let mut definitions = reduction.definitions;
        self.ranking.update(&self.types);
        definitions.sort_unstable_by_key(|&ty| self.ranking.rank(ty));
        Emission { types: &self.types, definitions, copies: roots, ordered }
    }
}

impl Reduction<'_> {
    fn name(&mut self, name: Name) -> Name {
        let Reducer { types, names, .. } = &mut *self.reducer;
        *names[name.index()].get_or_insert_with(|| types.names_mut().add(self.source.names().get(name)))
    }

    /// The name if it was read, else the empty name.
    fn own_name(&mut self, ty: TypeRef, reads: &TypeReads) -> Name {
        if reads.name { self.name(self.source.name_of(ty)) } else { Name::EMPTY }
    }

    fn reduce(&mut self, ty: TypeRef) -> TypeRef {
        if let Some(known) = self.known[ty.index()] {
            return known;
        }
        let none = TypeReads::default();
        let reads = self.footprint.reads.get(ty).unwrap_or(&none);
        let reduced = self.build(ty, reads);
        self.known[ty.index()] = Some(reduced);
        if self.listed.len() <= reduced.index() {
            self.listed.resize(reduced.index() + 1, false);
        }
        let listed = &mut self.listed[reduced.index()];
        if !std::mem::replace(listed, true) && reduced != TypeRef::VOID {
            self.definitions.push(reduced);
        }
        reduced
    }

    fn build(&mut self, ty: TypeRef, reads: &TypeReads) -> TypeRef {
        let source = self.source;
        match source.get(ty) {
            Type::Void => TypeRef::VOID,
            Type::Int { size, encoding, offset, bits, .. } => {
                let name = self.own_name(ty, reads);
                self.reducer.types.add(Type::Int { name, size, encoding, offset, bits })
            }
            Type::Float { size, .. } => {
                let name = self.own_name(ty, reads);
                self.reducer.types.add(Type::Float { name, size })
            }
            Type::Ptr { pointee } => {
                let pointee = if reads.contents { self.reduce(pointee) } else { TypeRef::VOID };
                self.reducer.types.add(Type::Ptr { pointee })
            }
            Type::Array { element, len } => {
                let element = self.reduce(element);
                self.reducer.types.add(Type::Array { element, len })
            }
            Type::Composite { kind, size, .. } => {
                let name = self.own_name(ty, reads);
                let start = self.members.len();
                for member in entries(source.members(ty), reads) {
                    let (name, ty) = (self.name(member.name), self.reduce(member.ty));
                    self.members.push(Member { name, ty, ..*member });
                }
                let size = if reads.size { size } else { 0 };
                let reduced = self.reducer.types.add_composite(kind, name, size, &self.members[start..]);
                self.members.truncate(start);
                reduced
            }
            Type::Enum { size, signed, wide, .. } => {
                let name = self.own_name(ty, reads);
                let enumerators: Vec<Enumerator> = entries(source.enumerators(ty), reads)
                    .map(|enumerator| Enumerator { name: self.name(enumerator.name), ..*enumerator })
                    .collect();
                self.reducer.types.add_enum(name, size, signed, wide, &enumerators)
            }
            Type::Fwd { kind, .. } => {
                let name = self.own_name(ty, reads);
                self.reducer.types.add(Type::Fwd { kind, name })
            }
            Type::Named { kind, .. } => {
                let name = self.own_name(ty, reads);
                self.reducer.types.add(Type::Named { kind, name })
            }
            Type::Typedef { target, .. } => {
                let name = self.own_name(ty, reads);
                let target = self.reduce(target);
                self.reducer.types.add(Type::Typedef { name, target })
            }
            Type::FuncProto { result } if reads.contents => {
                let result = self.reduce(result);
                let start = self.params.len();
                for &param in source.params(ty) {
                    let param = self.reduce(param);
                    self.params.push(param);
                }
                let reduced = self.reducer.types.add_func_proto(result, &self.params[start..]);
                self.params.truncate(start);
                reduced
            }
            Type::FuncProto { .. } => self.reducer.types.add_func_proto(TypeRef::VOID, &[]),
        }
    }
}

/// Members or enumerators that were read, in order; filled up from the first to the minimum number that was read.
fn entries<'t, T>(all: &'t [T], reads: &TypeReads) -> impl Iterator<Item = &'t T> {
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
