//! Emission: a minimized BTF's bytes, in an order that depends on the definitions' content alone.

use super::reduce::Reduced;
use crate::btf::{BtfError, DataModel, Kind, VOID, Writer};
use crate::memo::Memo;
use crate::types::{Composite, Name, Type, TypeRef, Types};

/// Writes the definitions: sorted, each once, roots whose ids count as often as needed.
pub(crate) fn emit(reduced: &Reduced<'_>, model: DataModel) -> Result<Vec<u8>, BtfError> {
    let types = reduced.types;
    let linked = linked(reduced);
    let mut ids = vec![VOID; types.len()];
    let mut written = Vec::with_capacity(reduced.definitions.len());
    for ty in order(reduced) {
        if linked.contains_key(&ty) {
            continue;
        }
        ids[ty.index()] = written.len() as u32 + 1;
        for _ in 0..reduced.roots.get(&ty).copied().unwrap_or(1) {
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

/// All definitions in the order of their content, except that candidates whose order decides something keep theirs.
fn order(reduced: &Reduced<'_>) -> Vec<TypeRef> {
    let mut order = reduced.definitions.clone();
    let listed: Memo<TypeRef, ()> = reduced.ordered.iter().flatten().map(|&ty| (ty, ())).collect();
    let places: Memo<TypeRef, usize> = (0..order.len())
        .map(|place| (order[place], place))
        .filter(|(ty, _)| listed.contains_key(ty))
        .collect();
    for list in &reduced.ordered {
        // Lists hold candidates of different roots, so none is moved twice.
        let mut slots: Vec<usize> = list.iter().filter_map(|ty| places.get(ty).copied()).collect();
        slots.sort_unstable();
        for (slot, &ty) in slots.into_iter().zip(list) {
            order[slot] = ty;
        }
    }
    order
}

/// For each pointee of which only kind and name count the definition that stands for it, if there is one: of the structs
/// or unions that are written with that name the first in the order of content.
fn linked(reduced: &Reduced<'_>) -> Memo<TypeRef, TypeRef> {
    let types = reduced.types;
    let mut defined: Memo<(Composite, Name), TypeRef> = Memo::default();
    for &ty in &reduced.definitions {
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
    reduced.definitions.iter().filter_map(definition).collect()
}

fn write(
    writer: &mut Writer,
    types: &Types,
    ty: TypeRef,
    id: impl Fn(TypeRef) -> u32,
) -> Result<u32, BtfError> {
    let names = types.names();
    let kind_of = |kind| if kind == Composite::Struct { Kind::Struct } else { Kind::Union };
    match types.get(ty) {
        Type::Void => Ok(VOID),
        Type::Int { name, size, encoding, offset, bits } => {
            writer.int(names.get(name), size, encoding, offset, bits)
        }
        Type::Float { name, size } => writer.float(names.get(name), size),
        Type::Ptr { pointee } => writer.reference(Kind::Ptr, b"", id(pointee)),
        Type::Array { element, len } => writer.array(id(element), len),
        Type::Composite { kind, name, size } => {
            let members = types.members(ty).iter().map(|member| {
                (names.get(member.name), id(member.ty), member.bit_offset, member.bitfield_size)
            });
            writer.composite(kind_of(kind), names.get(name), size, members)
        }
        Type::Enum { name, size, signed, wide } => {
            let enumerators = types.enumerators(ty).iter().map(|it| (names.get(it.name), it.value));
            writer.enumeration(names.get(name), size, signed, wide, enumerators)
        }
        Type::Fwd { kind, name } => writer.forward(names.get(name), kind == Composite::Union),
        Type::Named { kind, name } => {
            writer.composite(kind_of(kind), names.get(name), 0, std::iter::empty::<(&[u8], u32, u32, u8)>())
        }
        Type::Typedef { name, target } => writer.reference(Kind::Typedef, names.get(name), id(target)),
        Type::FuncProto { result } => {
            writer.func_proto(id(result), types.params(ty).iter().map(|&param| id(param)))
        }
    }
}
