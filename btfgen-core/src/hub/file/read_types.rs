//! Reads names and definitions, and checks every number.

use std::collections::VecDeque;

use super::column::{Column, Reader};
use super::entries::{Entry, EntryReader, MAX_ENTRIES};
use super::error::HubFileError;
use super::write_types::{MAX_ALL_ENTRIES, MAX_BASE, MAX_NAME_BYTES, MAX_TYPES, check_names, next_offset};
use crate::types::{
    Composite, DefinitionKind, Enumerator, Member, Name, Names, Type, TypeRef, UncheckedTypes,
};

/// Reads names and definitions. References are in range, but may form a circle.
pub(super) fn read(columns: &mut Reader) -> Result<UncheckedTypes, HubFileError> {
    let names = read_names(columns, Column::NameShared, Column::NameTail)?;
    let name_count = names.len();
    let mut by_kind = Vec::with_capacity(DefinitionKind::STORED.len());
    let mut total = 1u64;
    for kind in DefinitionKind::STORED {
        // Only a file with opaque definitions has their number.
        let is_missing = kind == DefinitionKind::Opaque && columns.left(Column::Counts) == 0;
        let count = if is_missing { 0 } else { columns.uint(Column::Counts)? };
        total = total.saturating_add(count);
        if total > MAX_TYPES {
            return Err(HubFileError::TooLarge { what: "definitions" });
        }
        by_kind.push((kind, count));
    }
    let mut types = UncheckedTypes::new(names);
    let mut fields = Fields { columns, names: name_count, total: total as usize, last: Last::default() };
    for (kind, count) in by_kind {
        fields.last = Last::default();
        for _ in 0..count {
            fields.definition(&mut types, kind)?;
        }
    }
    read_entries(columns, &mut types)?;
    check_names(&types)?;
    Ok(types)
}

/// Reads names that `write_names` wrote, after the empty name.
pub(super) fn read_names(
    columns: &mut Reader,
    shared_column: Column,
    tail_column: Column,
) -> Result<Names, HubFileError> {
    let (mut bytes, mut ends) = (Vec::new(), vec![0u32]);
    let mut start = 0;
    while columns.left(shared_column) != 0 {
        let next = bytes.len();
        let len = columns.below(shared_column, next - start + 1, "lengths")? as usize;
        bytes.extend_from_within(start..start + len);
        bytes.extend_from_slice(columns.text(tail_column)?);
        // Each name may begin with the whole of the last one.
        if bytes.len() > MAX_NAME_BYTES {
            return Err(HubFileError::TooLarge { what: "bytes of names" });
        }
        ends.push(bytes.len() as u32);
        start = next;
    }
    Ok(Names::unindexed(bytes, ends))
}

/// Fields of the last definition of the same kind, to which differences are stored.
#[derive(Default)]
struct Last {
    name: u32,
    size: u32,
    pointee: u32,
    len: u32,
}

/// Reads all fields of definitions except entries.
struct Fields<'c> {
    columns: &'c mut Reader,
    /// Number of names.
    names: usize,
    /// Number of definitions, including `void`.
    total: usize,
    last: Last,
}

impl Fields<'_> {
    fn name(&mut self) -> Result<Name, HubFileError> {
        let left = self.names - self.last.name as usize;
        let step = self.columns.below(Column::TypeName, left, "names")?;
        if step != 0 {
            self.last.size = 0;
        }
        self.last.name += step;
        Ok(Name::at(self.last.name))
    }

    fn size(&mut self) -> Result<u32, HubFileError> {
        self.last.size += self.columns.below(Column::Size, limit_above(self.last.size), "sizes")?;
        Ok(self.last.size)
    }

    /// A reference to a definition.
    fn reference(&mut self, column: Column) -> Result<TypeRef, HubFileError> {
        Ok(TypeRef::at(self.columns.below(column, self.total, "types")?))
    }

    fn definition(&mut self, types: &mut UncheckedTypes, kind: DefinitionKind) -> Result<(), HubFileError> {
        let ty = match kind {
            DefinitionKind::Void => Type::Void,
            DefinitionKind::Int => {
                let (name, size) = (self.name()?, self.size()?);
                let mut shape = || self.columns.byte(Column::IntShape);
                Type::Int { name, size, encoding: shape()?, offset: shape()?, bits: shape()? }
            }
            DefinitionKind::Float => Type::Float { name: self.name()?, size: self.size()? },
            DefinitionKind::Ptr => {
                let left = self.total - self.last.pointee as usize;
                self.last.pointee += self.columns.below(Column::Pointee, left, "types")?;
                Type::Ptr { pointee: TypeRef::at(self.last.pointee) }
            }
            DefinitionKind::Array => {
                self.last.len +=
                    self.columns.below(Column::ArrayLen, limit_above(self.last.len), "lengths")?;
                Type::Array { len: self.last.len, element: self.reference(Column::Element)? }
            }
            DefinitionKind::Enum => {
                let (name, size) = (self.name()?, self.size()?);
                let flags = self.columns.byte(Column::EnumFlags)?;
                Type::Enum { name, size, signed: flags & 1 != 0, wide: flags & 2 != 0 }
            }
            DefinitionKind::FuncProto => {
                let count = self.columns.below(Column::ParamCount, MAX_ENTRIES + 1, "lengths")?;
                let result = self.reference(Column::Param)?;
                let params: Vec<TypeRef> =
                    (0..count).map(|_| self.reference(Column::Param)).collect::<Result<_, _>>()?;
                let ty = types.push(Type::FuncProto { result });
                types.set_params(ty, params.into_iter());
                return Ok(());
            }
            DefinitionKind::NamedStruct => Type::Named { kind: Composite::Struct, name: self.name()? },
            DefinitionKind::NamedUnion => Type::Named { kind: Composite::Union, name: self.name()? },
            DefinitionKind::FwdStruct => Type::Fwd { kind: Composite::Struct, name: self.name()? },
            DefinitionKind::FwdUnion => Type::Fwd { kind: Composite::Union, name: self.name()? },
            DefinitionKind::Typedef => {
                Type::Typedef { name: self.name()?, target: self.reference(Column::Target)? }
            }
            DefinitionKind::Opaque => {
                Type::Opaque { name: self.name()?, kind: self.columns.byte(Column::OpaqueKind)? }
            }
            DefinitionKind::Struct => {
                Type::Composite { kind: Composite::Struct, name: self.name()?, size: self.size()? }
            }
            DefinitionKind::Union => {
                Type::Composite { kind: Composite::Union, name: self.name()?, size: self.size()? }
            }
        };
        types.push(ty);
        Ok(())
    }
}

/// The limit of a number that is added to `last`, for the sum to have 32 bits.
fn limit_above(last: u32) -> usize {
    (1 << 32) - last as usize
}

fn read_entries(columns: &mut Reader, types: &mut UncheckedTypes) -> Result<(), HubFileError> {
    let mut reader = EntryReader::new(types.names().len(), types.len());
    // Entries of the last definitions of the kind, the newest first.
    let mut recent: VecDeque<Vec<Entry>> = VecDeque::new();
    let mut total = 0;
    let mut last_kind = DefinitionKind::Void;
    for ty in types.refs() {
        let kind = types.get(ty).kind();
        let members = matches!(kind, DefinitionKind::Struct | DefinitionKind::Union);
        if !members && kind != DefinitionKind::Enum {
            continue;
        }
        if kind != last_kind {
            last_kind = kind;
            recent.clear();
        }
        let count = columns.below(Column::EntryCount, MAX_ENTRIES + 1, "lengths")? as usize;
        total += count;
        if total > MAX_ALL_ENTRIES {
            return Err(HubFileError::TooLarge { what: "members" });
        }
        let base = if count == 0 { 0 } else { columns.below(Column::Base, recent.len() + 1, "bases")? };
        let entries = match (base as usize).checked_sub(1) {
            Some(distance) => reader.edited(columns, &recent[distance], count, members)?,
            None => {
                let mut entries = Vec::new();
                reader.plain(columns, &mut entries, count, members)?;
                entries
            }
        };
        fill(types, ty, &entries);
        recent.push_front(entries);
        recent.truncate(MAX_BASE);
    }
    Ok(())
}

/// Sets the entries of a definition: offsets and values from gaps.
fn fill(types: &mut UncheckedTypes, ty: TypeRef, entries: &[Entry]) {
    let Type::Composite { kind, .. } = types.get(ty) else {
        let mut expected = 0u64;
        types.set_enumerators(
            ty,
            entries.iter().map(|entry| {
                let value = expected.wrapping_add(entry.gap.cast_unsigned());
                expected = value.wrapping_add(1);
                Enumerator { name: entry.name, value }
            }),
        );
        return;
    };
    let mut expected = 0u32;
    let mut members = Vec::with_capacity(entries.len());
    for entry in entries {
        let bit_offset = expected.wrapping_add(entry.gap as u32);
        let member =
            Member { name: entry.name, ty: entry.ty, bit_offset, bitfield_size: entry.bitfield_size };
        expected = next_offset(types, kind, member.ty, bit_offset, entry.bitfield_size);
        members.push(member);
    }
    types.set_members(ty, members.into_iter());
}
