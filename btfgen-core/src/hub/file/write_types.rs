//! Writes names and definitions: a column for each field, kind by kind in canonical order.

use std::collections::VecDeque;

use super::column::{Column, Columns};
use super::entries::{Edit, Entry, EntryWriter, cost_of_new};
use super::error::HubFileError;
use crate::btf::excess_len;
use crate::types::{Composite, DefinitionKind, Enumerator, Member, Name, Type, TypeRef, Types};

/// Most definitions of one file.
pub(super) const MAX_TYPES: u64 = 1 << 22;
/// Most members and enumerators of one file, after copying.
pub(super) const MAX_ALL_ENTRIES: usize = 1 << 23;
/// Most bytes of all names together.
pub(super) const MAX_NAME_BYTES: usize = 1 << 26;
/// Limit on the bytes of long names, each counted for each use, as a multiple of the bytes of all names.
const MAX_EXCESS: u64 = 64;
/// Most definitions from one to its base.
pub(super) const MAX_BASE: usize = 24;
/// Number of earlier definitions that are tried as a base for a named one.
const TRIED_BASES: usize = 8;

/// Expected size in bits of a member of the type; a pointer has 8 bytes.
fn bit_size(types: &Types, ty: TypeRef) -> u64 {
    let (mut ty, mut count) = (ty, 1u64);
    for _ in 0..8 {
        match types.get(ty) {
            Type::Array { element, len } => {
                count = count.saturating_mul(len.into());
                ty = element;
            }
            Type::Int { size, .. }
            | Type::Float { size, .. }
            | Type::Enum { size, .. }
            | Type::Composite { size, .. } => return count.saturating_mul(u64::from(size) * 8),
            Type::Ptr { .. } => return count.saturating_mul(64),
            _ => return 0,
        }
    }
    0
}

/// The bit offset at which the next member is expected.
pub(super) fn next_offset(
    types: &Types,
    kind: Composite,
    ty: TypeRef,
    offset: u32,
    bitfield_size: u8,
) -> u32 {
    match kind {
        Composite::Union => 0,
        Composite::Struct if bitfield_size != 0 => offset.wrapping_add(bitfield_size.into()),
        Composite::Struct => offset.wrapping_add(bit_size(types, ty) as u32),
    }
}

fn entries(types: &Types, ty: TypeRef) -> Vec<Entry> {
    match types.get(ty) {
        Type::Composite { kind, .. } => {
            let mut expected = 0;
            let entry = |member: &Member| {
                let gap = i64::from(member.bit_offset.wrapping_sub(expected).cast_signed());
                expected = next_offset(types, kind, member.ty, member.bit_offset, member.bitfield_size);
                Entry { name: member.name, ty: member.ty, gap, bitfield_size: member.bitfield_size }
            };
            types.members(ty).iter().map(entry).collect()
        }
        _ => {
            let mut expected = 0u64;
            let entry = |it: &Enumerator| {
                let gap = it.value.wrapping_sub(expected).cast_signed();
                expected = it.value.wrapping_add(1);
                Entry { name: it.name, ty: TypeRef::VOID, gap, bitfield_size: 0 }
            };
            types.enumerators(ty).iter().map(entry).collect()
        }
    }
}

/// Writes names and definitions.
pub(super) fn write(out: &mut Columns, types: &Types) -> Result<(), HubFileError> {
    check_names(types)?;
    let names = types.names();
    let all = (1..names.len() as u32).map(|name| names.get(Name::at(name)));
    write_names(out, Column::NameShared, Column::NameTail, all);
    for kind in DefinitionKind::STORED {
        let count = types.refs().filter(|&ty| types.get(ty).kind() == kind).count();
        if count > 0 || kind != DefinitionKind::Opaque {
            out.uint(Column::Counts, count as u64);
        }
    }
    if types.len() as u64 > MAX_TYPES {
        return Err(HubFileError::TooLarge { what: "definitions" });
    }
    write_fields(out, types);
    write_entries(out, types)
}

/// Checks that work on names, which is done for each definition and entry that has one, is in proportion to the file.
pub(super) fn check_names(types: &Types) -> Result<(), HubFileError> {
    let names = types.names();
    let all = || (0..names.len() as u32).map(|name| names.get(Name::at(name)));
    let total: usize = all().map(<[u8]>::len).sum();
    if total > MAX_NAME_BYTES {
        return Err(HubFileError::TooLarge { what: "bytes of names" });
    }
    if all().all(|name| excess_len(name) == 0) {
        return Ok(());
    }
    let excess = |name| excess_len(names.get(name)) as u64;
    let uses = types.refs().map(|ty| {
        let members = types.members(ty).iter().map(|member| excess(member.name));
        let enumerators = types.enumerators(ty).iter().map(|enumerator| excess(enumerator.name));
        excess(types.name_of(ty)) + members.chain(enumerators).sum::<u64>()
    });
    if uses.sum::<u64>() > total as u64 * MAX_EXCESS {
        return Err(HubFileError::TooLarge { what: "uses of long names" });
    }
    Ok(())
}

/// Writes sorted names, each as what it does not share with the one before.
pub(super) fn write_names<'n>(
    out: &mut Columns,
    shared_column: Column,
    tail_column: Column,
    names: impl Iterator<Item = &'n [u8]>,
) {
    let mut last: &[u8] = b"";
    for name in names {
        let shared = last.iter().zip(name).take_while(|(a, b)| a == b).count();
        out.uint(shared_column, shared as u64);
        out.raw(tail_column).extend_from_slice(&name[shared..]);
        out.raw(tail_column).push(0);
        last = name;
    }
}

fn write_fields(out: &mut Columns, types: &Types) {
    let mut last_kind = DefinitionKind::Void;
    let (mut last_name, mut last_size, mut last_pointee, mut last_len) = (0, 0, 0, 0);
    for ty in types.refs().skip(1) {
        let definition = types.get(ty);
        let kind = definition.kind();
        if kind != last_kind {
            last_kind = kind;
            (last_name, last_size, last_pointee, last_len) = (0, 0, 0, 0);
        }
        let name = types.name_of(ty).number();
        if !matches!(definition, Type::Ptr { .. } | Type::Array { .. } | Type::FuncProto { .. }) {
            out.uint(Column::TypeName, u64::from(name - last_name));
        }
        // Definitions of one name are in the order of their sizes.
        let mut put_size = |out: &mut Columns, size: u32| {
            let before = if name == last_name { last_size } else { 0 };
            out.uint(Column::Size, u64::from(size - before));
            last_size = size;
        };
        match definition {
            Type::Void | Type::Fwd { .. } | Type::Named { .. } => {}
            Type::Int { size, encoding, offset, bits, .. } => {
                put_size(out, size);
                out.raw(Column::IntShape).extend_from_slice(&[encoding, offset, bits]);
            }
            Type::Float { size, .. } | Type::Composite { size, .. } => put_size(out, size),
            Type::Enum { size, signed, wide, .. } => {
                put_size(out, size);
                out.raw(Column::EnumFlags).push(u8::from(signed) | u8::from(wide) << 1);
            }
            Type::Ptr { pointee } => {
                out.uint(Column::Pointee, u64::from(pointee.number() - last_pointee));
                last_pointee = pointee.number();
            }
            Type::Array { element, len } => {
                out.uint(Column::ArrayLen, u64::from(len - last_len));
                last_len = len;
                out.uint(Column::Element, element.number().into());
            }
            Type::FuncProto { result } => {
                let params = types.params(ty);
                out.uint(Column::ParamCount, params.len() as u64);
                out.uint(Column::Param, result.number().into());
                params.iter().for_each(|param| out.uint(Column::Param, param.number().into()));
            }
            Type::Opaque { kind, .. } => out.raw(Column::OpaqueKind).push(kind),
            Type::Typedef { target, .. } => out.uint(Column::Target, target.number().into()),
        }
        last_name = name;
    }
}

fn write_entries(out: &mut Columns, types: &Types) -> Result<(), HubFileError> {
    let mut writer = EntryWriter::new(types.names().len());
    // Names and entries of the last definitions of the kind, the newest first.
    let mut recent: VecDeque<(Name, Vec<Entry>)> = VecDeque::new();
    let mut last_kind = DefinitionKind::Void;
    let mut total = 0;
    for ty in types.refs().skip(1) {
        let definition = types.get(ty);
        if !matches!(definition, Type::Enum { .. } | Type::Composite { .. }) {
            continue;
        }
        let members = matches!(definition, Type::Composite { .. });
        if definition.kind() != last_kind {
            last_kind = definition.kind();
            recent.clear();
        }
        let name = types.name_of(ty);
        let new = entries(types, ty);
        total += new.len();
        out.uint(Column::EntryCount, new.len() as u64);
        // An unnamed definition has no name by which its earlier versions are next to it.
        let tried = if name == Name::EMPTY { MAX_BASE } else { TRIED_BASES };
        let mut best: Option<(usize, Edit)> = None;
        let mut cost = cost_of_new(new.len());
        for (distance, (_, old)) in
            recent.iter().take(tried).enumerate().take_while(|(_, (other, _))| *other == name)
        {
            let edit = Edit::new(old, &new);
            if edit.cost < cost {
                cost = edit.cost;
                best = Some((distance, edit));
            }
        }
        match best {
            Some((distance, edit)) => {
                out.uint(Column::Base, distance as u64 + 1);
                writer.edited(out, &recent[distance].1, &new, &edit, members);
            }
            None => {
                if !new.is_empty() {
                    out.uint(Column::Base, 0);
                }
                writer.plain(out, &new, members);
            }
        }
        recent.push_front((name, new));
        recent.truncate(MAX_BASE);
    }
    if total > MAX_ALL_ENTRIES { Err(HubFileError::TooLarge { what: "members" }) } else { Ok(()) }
}
