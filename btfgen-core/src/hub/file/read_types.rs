//! Reads names and definitions, and checks every number.

use super::column::{Column, Reader, Unpacked};
use super::entries::{Entry, EntryReader, MAX_ENTRIES};
use super::error::HubFileError;
use super::write_types::{MAX_ALL_ENTRIES, MAX_BASE, MAX_TYPES, next_offset};
use crate::threads::join;
use crate::types::{
    Composite, DefinitionKind, Enumerator, Member, Name, Names, Type, TypeRef, UncheckedTypes,
};

/// Most bytes of all names together; each may begin with the whole of the one last.
const MAX_NAME_BYTES: usize = 1 << 26;

/// Reads names and definitions. References are in range, but may form a circle.
pub(super) fn read(columns: &mut Unpacked) -> Result<UncheckedTypes, HubFileError> {
    let (shared, tails) = (columns.reader(Column::NameShared)?, columns.reader(Column::NameTail)?);
    // Definitions refer to names by index, so both can be read at the same time.
    let count = 1 + shared.numbers();
    let (types, names) = join(|| read_definitions(columns, count), || read_names(shared, tails));
    let names = names?;
    let mut types = types?;
    types.set_names(names);
    Ok(types)
}

fn read_definitions(columns: &mut Unpacked, names: usize) -> Result<UncheckedTypes, HubFileError> {
    let mut counts = columns.reader(Column::Counts)?;
    let mut by_kind = Vec::with_capacity(DefinitionKind::STORED.len());
    let mut total = 1u64;
    for kind in DefinitionKind::STORED {
        let count = counts.uint()?;
        total = total.saturating_add(count);
        if total > MAX_TYPES {
            return Err(HubFileError::TooLarge { what: "definitions" });
        }
        by_kind.push((kind, count as usize));
    }
    counts.end()?;
    let mut types = UncheckedTypes::new(Names::unindexed(Vec::new(), vec![0]), 0);
    Fields::open(columns, names)?.read(&mut types, &by_kind, total as usize)?;
    read_entries(columns, names, &mut types)?;
    Ok(types)
}

fn read_names(mut shared: Reader, mut tails: Reader) -> Result<Names, HubFileError> {
    let (mut bytes, mut ends) = (Vec::with_capacity(tails.left() * 2), vec![0u32]);
    let mut start = 0;
    while shared.left() != 0 {
        let next = bytes.len();
        let len = shared.below(next - start + 1, "lengths")? as usize;
        bytes.extend_from_within(start..start + len);
        bytes.extend_from_slice(tails.text()?);
        if bytes.len() > MAX_NAME_BYTES {
            return Err(HubFileError::TooLarge { what: "bytes of names" });
        }
        ends.push(bytes.len() as u32);
        start = next;
    }
    tails.end()?;
    Ok(Names::unindexed(bytes, ends))
}

/// The columns of all fields except entries.
struct Fields {
    names: usize,
    name: Reader,
    size: Reader,
    int_shape: Reader,
    pointee: Reader,
    array_len: Reader,
    element: Reader,
    param_count: Reader,
    param: Reader,
    target: Reader,
    enum_flags: Reader,
}

/// Fields of the last definition of the same kind, to which differences are stored.
#[derive(Default)]
struct Last {
    name: u32,
    size: u32,
    pointee: u32,
    len: u32,
}

impl Fields {
    fn open(columns: &mut Unpacked, names: usize) -> Result<Self, HubFileError> {
        let mut open = |column| columns.reader(column);
        Ok(Self {
            names,
            name: open(Column::TypeName)?,
            size: open(Column::Size)?,
            int_shape: open(Column::IntShape)?,
            pointee: open(Column::Pointee)?,
            array_len: open(Column::ArrayLen)?,
            element: open(Column::Element)?,
            param_count: open(Column::ParamCount)?,
            param: open(Column::Param)?,
            target: open(Column::Target)?,
            enum_flags: open(Column::EnumFlags)?,
        })
    }

    fn read(
        mut self,
        types: &mut UncheckedTypes,
        by_kind: &[(DefinitionKind, usize)],
        total: usize,
    ) -> Result<(), HubFileError> {
        for &(kind, count) in by_kind {
            let mut last = Last::default();
            for _ in 0..count {
                self.definition(types, kind, &mut last, total)?;
            }
        }
        let Self {
            names: _,
            name,
            size,
            int_shape,
            pointee,
            array_len,
            element,
            param_count,
            param,
            target,
            enum_flags,
        } = self;
        let all =
            [name, size, int_shape, pointee, array_len, element, param_count, param, target, enum_flags];
        all.iter().try_for_each(Reader::end)
    }

    fn name(&mut self, last: &mut Last) -> Result<Name, HubFileError> {
        let step = self.name.below(self.names - last.name as usize, "names")?;
        if step != 0 {
            last.size = 0;
        }
        last.name += step;
        Ok(Name::at(last.name))
    }

    fn size(&mut self, last: &mut Last) -> Result<u32, HubFileError> {
        let size = self.size.u32()?.checked_add(last.size).ok_or_else(|| self.size.malformed("sizes"))?;
        last.size = size;
        Ok(size)
    }

    fn definition(
        &mut self,
        types: &mut UncheckedTypes,
        kind: DefinitionKind,
        last: &mut Last,
        total: usize,
    ) -> Result<(), HubFileError> {
        let ty = match kind {
            DefinitionKind::Void => Type::Void,
            DefinitionKind::Int => {
                let (name, size) = (self.name(last)?, self.size(last)?);
                let shape = &mut self.int_shape;
                let (encoding, offset, bits) = (shape.byte()?, shape.byte()?, shape.byte()?);
                Type::Int { name, size, encoding, offset, bits }
            }
            DefinitionKind::Float => Type::Float { name: self.name(last)?, size: self.size(last)? },
            DefinitionKind::Ptr => {
                last.pointee += self.pointee.below(total - last.pointee as usize, "types")?;
                Type::Ptr { pointee: TypeRef::at(last.pointee) }
            }
            DefinitionKind::Array => {
                let len = self.array_len.u32()?.checked_add(last.len);
                last.len = len.ok_or_else(|| self.array_len.malformed("lengths"))?;
                Type::Array { element: TypeRef::at(self.element.below(total, "types")?), len: last.len }
            }
            DefinitionKind::Enum => {
                let (name, size) = (self.name(last)?, self.size(last)?);
                let flags = self.enum_flags.byte()?;
                Type::Enum { name, size, signed: flags & 1 != 0, wide: flags & 2 != 0 }
            }
            DefinitionKind::FuncProto => {
                let count = self.param_count.below(MAX_ENTRIES + 1, "lengths")?;
                let result = TypeRef::at(self.param.below(total, "types")?);
                let mut params = Vec::new();
                for _ in 0..count {
                    params.push(TypeRef::at(self.param.below(total, "types")?));
                }
                let ty = types.push(Type::FuncProto { result });
                types.set_params(ty, params.into_iter());
                return Ok(());
            }
            DefinitionKind::NamedStruct => Type::Named { kind: Composite::Struct, name: self.name(last)? },
            DefinitionKind::NamedUnion => Type::Named { kind: Composite::Union, name: self.name(last)? },
            DefinitionKind::FwdStruct => Type::Fwd { kind: Composite::Struct, name: self.name(last)? },
            DefinitionKind::FwdUnion => Type::Fwd { kind: Composite::Union, name: self.name(last)? },
            DefinitionKind::Typedef => {
                let name = self.name(last)?;
                Type::Typedef { name, target: TypeRef::at(self.target.below(total, "types")?) }
            }
            DefinitionKind::Struct | DefinitionKind::Union => {
                let is_struct = kind == DefinitionKind::Struct;
                let (name, size) = (self.name(last)?, self.size(last)?);
                Type::Composite {
                    kind: if is_struct { Composite::Struct } else { Composite::Union },
                    name,
                    size,
                }
            }
        };
        types.push(ty);
        Ok(())
    }
}

fn read_entries(
    columns: &mut Unpacked,
    names: usize,
    types: &mut UncheckedTypes,
) -> Result<(), HubFileError> {
    let mut counts = columns.reader(Column::EntryCount)?;
    let mut bases = columns.reader(Column::Base)?;
    let mut reader = EntryReader::new(columns, names, types.len())?;
    // Entries of the last definitions, and the start of those of each.
    let (mut recent, mut starts): (Vec<Entry>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut total = 0;
    let mut last_kind = DefinitionKind::Void;
    for ty in types.refs() {
        let definition = types.get(ty);
        let kind = definition.kind();
        let is_enum = kind == DefinitionKind::Enum;
        if !is_enum && !matches!(definition, Type::Composite { .. }) {
            continue;
        }
        if kind != last_kind || starts.len() > 64 * MAX_BASE {
            let keep = if kind == last_kind { MAX_BASE } else { 0 };
            starts.drain(..starts.len() - keep);
            let cut = starts.first().copied().unwrap_or(recent.len());
            recent.drain(..cut);
            starts.iter_mut().for_each(|start| *start -= cut);
            last_kind = kind;
        }
        let count = counts.below(MAX_ENTRIES + 1, "lengths")? as usize;
        total += count;
        if total > MAX_ALL_ENTRIES {
            return Err(HubFileError::TooLarge { what: "members" });
        }
        let base = if count == 0 { 0 } else { bases.below(starts.len().min(MAX_BASE) + 1, "bases")? };
        let start = recent.len();
        if base == 0 {
            reader.plain(&mut recent, count, !is_enum)?;
        } else {
            let base = starts.len() - base as usize;
            let end = starts.get(base + 1).copied().unwrap_or(start);
            reader.edited(&mut recent, starts[base]..end, count, !is_enum)?;
        }
        starts.push(start);
        fill(types, ty, &recent[start..]);
    }
    counts.end()?;
    bases.end()?;
    reader.end()
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
