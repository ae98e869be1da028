//! Emission: a minimized BTF's bytes, in an order that depends on the definitions' content alone.

use super::reduce::Reduced;
use crate::btf::{BtfError, DataModel, Kind, VOID, Writer};
use crate::memo::Memo;
use crate::types::{Composite, Name, Type, TypeRef, Types};

/// Writes the definitions: sorted, each once, roots whose ids count as often as needed.
pub(crate) fn emit(reduced: &Reduced, model: DataModel) -> Result<Vec<u8>, BtfError> {
    let types = &reduced.types;
    let defined = defined_names(types);
    let mut ids: Memo<TypeRef, u32> = [(TypeRef::VOID, VOID)].into_iter().collect();
    let mut written = Vec::new();
    for ty in order(reduced) {
        if linked(types, &defined, ty).is_some() {
            continue;
        }
        for _ in 0..reduced.roots.get(&ty).copied().unwrap_or(1) {
            written.push(ty);
            ids.entry(ty).or_insert(written.len() as u32);
        }
    }
    let id = |ty: TypeRef| {
        let ty = linked(types, &defined, ty).unwrap_or(ty);
        ids.get(&ty).copied().unwrap_or(VOID)
    };
    let mut writer = Writer::new(model.endian);
    for ty in written {
        write(&mut writer, types, ty, id)?;
    }
    writer.finish()
}

/// All definitions in the order of their content, except that candidates whose order decides something keep theirs.
fn order(reduced: &Reduced) -> Vec<TypeRef> {
    let types = &reduced.types;
    let mut order: Vec<TypeRef> = types.refs().filter(|&ty| ty != TypeRef::VOID).collect();
    order.sort_by(|&a, &b| types.compare(a, b));
    let mut places = vec![None; types.len()];
    for (place, ty) in order.iter().enumerate() {
        places[ty.index()] = Some(place);
    }
    for list in &reduced.ordered {
        // Lists hold candidates of different roots, so none is moved twice.
        let mut slots: Vec<usize> = list.iter().filter_map(|ty| places[ty.index()]).collect();
        slots.sort_unstable();
        for (slot, &ty) in slots.into_iter().zip(list) {
            order[slot] = ty;
        }
    }
    order
}

/// Structs and unions that are written with their names, the first of each name in the order of content.
fn defined_names(types: &Types) -> Memo<(Composite, Name), TypeRef> {
    let mut defined: Memo<(Composite, Name), TypeRef> = Memo::default();
    for ty in types.refs() {
        if let Type::Composite { kind, name, .. } = types.get(ty)
            && name != Name::EMPTY
        {
            let first = defined.entry((kind, name)).or_insert(ty);
            if types.compare(ty, *first).is_lt() {
                *first = ty;
            }
        }
    }
    defined
}

/// The definition that stands for a pointee of which only kind and name count, if there is one.
fn linked(types: &Types, defined: &Memo<(Composite, Name), TypeRef>, ty: TypeRef) -> Option<TypeRef> {
    match types.get(ty) {
        Type::Named { kind, name } => defined.get(&(kind, name)).copied(),
        _ => None,
    }
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
