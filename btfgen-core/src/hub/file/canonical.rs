//! Canonical order: the definitions that kernels hold, numbered by content alone.

use crate::types::{Enumerator, Fixed, Member, Name, Names, Type, TypeRef, Types};

/// Definitions in canonical order, and where those of the store they come from went.
pub(super) struct Canonical {
    pub(super) types: Fixed,
    /// For each definition of the source its number, or [`Canonical::UNUSED`].
    numbers: Vec<u32>,
}

impl Canonical {
    const UNUSED: u32 = u32::MAX;

    /// The definitions that `roots` reach.
    pub(super) fn new(source: &Types, roots: impl Iterator<Item = TypeRef>) -> Self {
        let mut order = reached(source, roots);
        order.sort_unstable_by(|&a, &b| source.compare(a, b));
        let mut numbers = vec![Self::UNUSED; source.len()];
        numbers[TypeRef::VOID.index()] = 0;
        for (place, ty) in order.iter().enumerate() {
            numbers[ty.index()] = place as u32 + 1;
        }
        let (names, name_numbers) = sorted_names(source, &order);
        let number = |ty: TypeRef| TypeRef::at(numbers[ty.index()]);
        let name = |name: Name| Name::at(name_numbers[name.index()]);
        let mut types = Fixed::new(names, order.len());
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
                    types.push(Type::Ptr { pointee: number(pointee) });
                }
                Type::Array { element, len } => {
                    types.push(Type::Array { element: number(element), len });
                }
                Type::Composite { kind, size, .. } => {
                    let members = source.members(ty).iter();
                    let ty = types.push(Type::Composite { kind, name: own, size });
                    let member = |it: &Member| Member { name: name(it.name), ty: number(it.ty), ..*it };
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
                Type::Typedef { target, .. } => {
                    types.push(Type::Typedef { name: own, target: number(target) });
                }
                Type::FuncProto { result } => {
                    types.push_func_proto(number(result), source.params(ty).iter().map(|&it| number(it)));
                }
            }
        }
        Self { types, numbers }
    }

    /// The number of a definition that was reached.
    pub(super) fn number(&self, ty: TypeRef) -> u32 {
        self.numbers[ty.index()]
    }
}

/// All definitions but `void` that these contain or refer to, themselves included.
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

/// The names in use, sorted by their bytes, and the new place of each.
fn sorted_names(source: &Types, order: &[TypeRef]) -> (Names, Vec<u32>) {
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
    let mut numbers = vec![0; names.len()];
    for (place, &name) in sorted.iter().enumerate() {
        bytes.extend_from_slice(names.get(name));
        ends.push(bytes.len() as u32);
        numbers[name.index()] = place as u32;
    }
    (Names::fixed(bytes, ends), numbers)
}
