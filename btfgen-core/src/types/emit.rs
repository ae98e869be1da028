//! Emission: a BTF's bytes from definitions, in an order that depends on their content alone.

use super::definition::{Composite, Type, TypeRef};
use super::names::Name;
use super::store::Types;
use crate::btf::{BtfError, DataModel, Enumerator, Kind, Member, TypeId, Writer};
use crate::memo::Memo;

/// The definitions of a BTF that is to be written.
pub(crate) struct Emission<'t> {
    /// The store that has them, and perhaps more.
    pub(crate) types: &'t Types,
    /// The definitions except `void`, in the order of their content.
    pub(crate) definitions: Vec<TypeRef>,
    /// Number of copies of definitions that are not written exactly once.
    pub(crate) copies: Memo<TypeRef, usize>,
    /// Lists of definitions whose order of ids decides something, each in that order.
    pub(crate) ordered: Vec<Vec<TypeRef>>,
}

/// Writes a BTF.
pub(crate) fn emit(emission: &Emission<'_>, model: DataModel) -> Result<Vec<u8>, BtfError> {
    let types = emission.types;
    let linked = linked(emission);
    let mut ids = vec![TypeId::VOID; types.len()];
    let mut written = Vec::with_capacity(emission.definitions.len());
    for ty in order(emission) {
        if linked.contains_key(&ty) {
            continue;
        }
        ids[ty.index()] = TypeId(written.len() as u32 + 1);
        for _ in 0..emission.copies.get(&ty).copied().unwrap_or(1) {
            written.push(ty);
        }
    }
    for (named, definition) in linked {
        ids[named.index()] = ids[definition.index()];
    }
    let mut writer = Writer::new(model.endian);
    for ty in written {
        write(&mut writer, types, ty, |ty| ids[ty.index()])?;
    }
    writer.finish()
}

/// All definitions in the order of their content, except for those whose order decides something.
fn order(emission: &Emission<'_>) -> Vec<TypeRef> {
    let mut order = emission.definitions.clone();
    let listed: Memo<TypeRef, ()> = emission.ordered.iter().flatten().map(|&ty| (ty, ())).collect();
    let positions: Memo<TypeRef, usize> = (0..order.len())
        .map(|position| (order[position], position))
        .filter(|(ty, _)| listed.contains_key(ty))
        .collect();
    for list in &emission.ordered {
        // Lists have candidates of different roots, so none is moved twice.
        let mut free: Vec<usize> = list.iter().filter_map(|ty| positions.get(ty).copied()).collect();
        free.sort_unstable();
        for (position, &ty) in free.into_iter().zip(list) {
            order[position] = ty;
        }
    }
    order
}

/// For each pointee that counts by kind and name only, the definition that is written instead: the first struct or union
/// of that name, if there is one.
fn linked(emission: &Emission<'_>) -> Memo<TypeRef, TypeRef> {
    let types = emission.types;
    let mut defined: Memo<(Composite, Name), TypeRef> = Memo::default();
    for &ty in &emission.definitions {
        if let Type::Composite { kind, name, .. } = types.get(ty)
            && name != Name::EMPTY
        {
            defined.entry((kind, name)).or_insert(ty);
        }
    }
    let definition = |&ty: &TypeRef| match types.get(ty) {
        Type::Named { kind, name } => Some((ty, *defined.get(&(kind, name))?)),
        _ => None,
    };
    emission.definitions.iter().filter_map(definition).collect()
}

fn write(
    writer: &mut Writer,
    types: &Types,
    ty: TypeRef,
    id: impl Fn(TypeRef) -> TypeId,
) -> Result<TypeId, BtfError> {
    let names = types.names();
    let kind_of = |kind| if kind == Composite::Struct { Kind::Struct } else { Kind::Union };
    match types.get(ty) {
        Type::Void => Ok(TypeId::VOID),
        Type::Int { name, size, encoding, offset, bits } => {
            writer.int(names.get(name), size, encoding, offset, bits)
        }
        Type::Float { name, size } => writer.float(names.get(name), size),
        Type::Ptr { pointee } => writer.reference(Kind::Ptr, b"", id(pointee)),
        Type::Array { element, len } => writer.array(id(element), len),
        Type::Composite { kind, name, size } => {
            let members = types.members(ty).iter().map(|member| Member {
                name: names.get(member.name),
                ty: id(member.ty),
                bit_offset: member.bit_offset,
                bitfield_size: member.bitfield_size,
            });
            writer.composite(kind_of(kind), names.get(name), size, members)
        }
        Type::Enum { name, size, signed, wide } => {
            let enumerators = types.enumerators(ty).iter();
            let enumerators = enumerators.map(|it| Enumerator { name: names.get(it.name), value: it.value });
            writer.enumeration(names.get(name), size, signed, wide, enumerators)
        }
        Type::Fwd { kind, name } => writer.forward(names.get(name), kind == Composite::Union),
        Type::Named { kind, name } => writer.composite(kind_of(kind), names.get(name), 0, std::iter::empty()),
        Type::Typedef { name, target } => writer.reference(Kind::Typedef, names.get(name), id(target)),
        Type::FuncProto { result } => {
            writer.func_proto(id(result), types.params(ty).iter().map(|&param| id(param)))
        }
    }
}
