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
    let int = written.iter().position(|&ty| may_index_arrays(types.get(ty)));
    let array_index = TypeId(int.unwrap_or(written.len()) as u32 + 1);
    let mut writer = Writer::new(model.endian);
    for &ty in &written {
        write(&mut writer, types, ty, array_index, |ty| ids[ty.index()])?;
    }
    if int.is_none() && written.iter().any(|&ty| matches!(types.get(ty), Type::Array { .. })) {
        writer.int(b"", 4, 0, 0, 32)?;
    }
    writer.finish()
}

/// Whether the kernel accepts a type as the index type of arrays (`btf_type_int_is_regular`).
fn may_index_arrays(ty: Type) -> bool {
    match ty {
        Type::Int { size, offset, bits, .. } => {
            matches!(size, 1 | 2 | 4 | 8 | 16) && offset == 0 && u32::from(bits) == 8 * size
        }
        _ => false,
    }
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
    array_index: TypeId,
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
        Type::Array { element, len } => writer.array(id(element), array_index, len),
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
        Type::Opaque { name, kind } => Err(BtfError::UnwritableKind {
            name: names.text(name).into_owned(),
            kind,
            limit: Kind::Enum64.number(),
        }),
        Type::FuncProto { result } => {
            writer.func_proto(id(result), types.params(ty).iter().map(|&param| id(param)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::{Btf, Endian};

    #[test]
    fn arrays_have_an_int_as_index_type() {
        let check = |int: Option<(u32, u8)>, expect: &[Kind], expect_index: u32| {
            let mut types = Types::new();
            let pointer = types.add(Type::Ptr { pointee: TypeRef::VOID });
            let mut definitions = vec![pointer, types.add(Type::Array { element: pointer, len: 3 })];
            if let Some((size, bits)) = int {
                let name = types.names_mut().add(b"int");
                definitions.insert(0, types.add(Type::Int { name, size, encoding: 0, offset: 0, bits }));
            }
            let emission =
                Emission { types: &types, definitions, copies: Memo::default(), ordered: Vec::new() };
            let bytes = emit(&emission, DataModel { endian: Endian::Little, pointer_size: 8 }).unwrap();
            let btf = Btf::parse(&bytes).unwrap();
            let kinds: Vec<Kind> = btf.types().map(|raw| raw.kind).collect();
            assert_eq!(kinds, expect);
            let array = btf.types().find(|raw| raw.kind == Kind::Array).unwrap();
            // The second word of `struct btf_array`.
            assert_eq!(array.words().nth(1), Some(expect_index));
        };
        check(None, &[Kind::Ptr, Kind::Array, Kind::Int], 3);
        check(Some((4, 32)), &[Kind::Int, Kind::Ptr, Kind::Array], 1);
        // A bitfield's int is not one.
        check(Some((4, 5)), &[Kind::Int, Kind::Ptr, Kind::Array, Kind::Int], 4);
    }
}
