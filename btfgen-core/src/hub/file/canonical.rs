//! Canonical order: the definitions of all kernels, numbered by content alone.

use crate::types::{Enumerator, Member, Name, Names, Type, TypeRef, Types, UncheckedTypes};

/// Definitions in canonical order.
pub(super) struct Canonical {
    pub(super) types: UncheckedTypes,
    /// For each definition of the source its reference in `types`, if it was reached.
    moved: Vec<Option<TypeRef>>,
}

impl Canonical {
    /// Copies the definitions that `roots` reach.
    pub(super) fn new(source: &Types, roots: impl Iterator<Item = TypeRef>) -> Self {
        let mut order = reached(source, roots);
        order.sort_unstable_by(|&a, &b| source.compare(a, b));
        let mut moved = vec![None; source.len()];
        moved[TypeRef::VOID.index()] = Some(TypeRef::VOID);
        for (index, ty) in order.iter().enumerate() {
            moved[ty.index()] = Some(TypeRef::at(index as u32 + 1));
        }
        let (names, moved_names) = sorted_names(source, &order);
        let reference = |ty: TypeRef| moved[ty.index()].unwrap_or(TypeRef::VOID);
        let name = |name: Name| moved_names[name.index()];
        let mut types = UncheckedTypes::new(names);
        for &ty in &order {
            let own = name(source.name_of(ty));
            match source.get(ty) {
                Type::Void => {}
                Type::Int { size, encoding, offset, bits, .. } => {
                    types.push(Type::Int { name: own, size, encoding, offset, bits });
                }
                Type::Float { size, .. } => {
                    types.push(Type::Float { name: own, size });
                }
                Type::Ptr { pointee } => {
                    types.push(Type::Ptr { pointee: reference(pointee) });
                }
                Type::Array { element, len } => {
                    types.push(Type::Array { element: reference(element), len });
                }
                Type::Composite { kind, size, .. } => {
                    let members = source.members(ty).iter();
                    let ty = types.push(Type::Composite { kind, name: own, size });
                    let member = |it: &Member| Member { name: name(it.name), ty: reference(it.ty), ..*it };
                    types.set_members(ty, members.map(member));
                }
                Type::Enum { size, signed, wide, .. } => {
                    let enumerators = source.enumerators(ty).iter();
                    let ty = types.push(Type::Enum { name: own, size, signed, wide });
                    let enumerator = |it: &Enumerator| Enumerator { name: name(it.name), value: it.value };
                    types.set_enumerators(ty, enumerators.map(enumerator));
                }
                Type::Fwd { kind, .. } => {
                    types.push(Type::Fwd { kind, name: own });
                }
                Type::Named { kind, .. } => {
                    types.push(Type::Named { kind, name: own });
                }
                Type::Opaque { kind, .. } => {
                    types.push(Type::Opaque { name: own, kind });
                }
                Type::Typedef { target, .. } => {
                    types.push(Type::Typedef { name: own, target: reference(target) });
                }
                Type::FuncProto { result } => {
                    let params = source.params(ty).iter().map(|&it| reference(it));
                    let ty = types.push(Type::FuncProto { result: reference(result) });
                    types.set_params(ty, params);
                }
            }
        }
        Self { types, moved }
    }

    /// The reference in `types` of a definition of the source; `void` if it was not reached.
    pub(super) fn reference(&self, ty: TypeRef) -> TypeRef {
        self.moved[ty.index()].unwrap_or(TypeRef::VOID)
    }
}

/// The roots and all definitions that they contain or refer to, except `void`.
fn reached(source: &Types, roots: impl Iterator<Item = TypeRef>) -> Vec<TypeRef> {
    let mut seen = vec![false; source.len()];
    seen[TypeRef::VOID.index()] = true;
    let mut order: Vec<TypeRef> = Vec::new();
    let mut reach = |ty: TypeRef, order: &mut Vec<TypeRef>| {
        if !std::mem::replace(&mut seen[ty.index()], true) {
            order.push(ty);
        }
    };
    roots.for_each(|ty| reach(ty, &mut order));
    let mut at = 0;
    while let Some(&ty) = order.get(at) {
        source.parts(ty, |part| reach(part, &mut order));
        at += 1;
    }
    order
}

/// The names in use, sorted by their bytes, and for each name of the source its new one.
fn sorted_names(source: &Types, order: &[TypeRef]) -> (Names, Vec<Name>) {
    let names = source.names();
    let mut used = vec![false; names.len()];
    for &ty in order {
        used[source.name_of(ty).index()] = true;
        source.members(ty).iter().for_each(|member| used[member.name.index()] = true);
        source.enumerators(ty).iter().for_each(|enumerator| used[enumerator.name.index()] = true);
    }
    used[Name::EMPTY.index()] = true;
    let mut sorted: Vec<Name> =
        (0..names.len() as u32).map(Name::at).filter(|name| used[name.index()]).collect();
    sorted.sort_unstable_by_key(|&name| names.get(name));
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    let mut moved = vec![Name::EMPTY; names.len()];
    for (index, &name) in sorted.iter().enumerate() {
        bytes.extend_from_slice(names.get(name));
        ends.push(bytes.len() as u32);
        moved[name.index()] = Name::at(index as u32);
    }
    (Names::unindexed(bytes, ends), moved)
}
