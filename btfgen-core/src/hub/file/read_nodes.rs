//! Columns to definitions: what `nodes` writes, with every number checked.

use super::HubFileError;
use super::column::{Column, Reader, Unpacked};
use super::entries::{Entry, EntryReader, MAX_ENTRIES};
use super::nodes::{KINDS, MAX_ALL_ENTRIES, MAX_BASE, MAX_TYPES, next_offset};
use crate::threads::beside;
use crate::types::{Composite, Enumerator, Fixed, Member, Name, Names, Type, TypeRef};

/// Most bytes of all names together; each may take over the one before.
const MAX_NAME_BYTES: usize = 1 << 26;

/// Reads names and definitions; references are in range, but may make a circle.
pub(super) fn read(columns: &mut Unpacked) -> Result<Fixed, HubFileError> {
    let (shared, tails) = (columns.reader(Column::NameShared)?, columns.reader(Column::NameTail)?);
    // Definitions refer to names by number, so that they can be read beside them.
    let count = 1 + shared.numbers();
    let (types, names) = beside(|| read_definitions(columns, count), || read_names(shared, tails));
    let names = names?;
    let mut types = types?;
    types.set_names(names);
    Ok(types)
}

fn read_definitions(columns: &mut Unpacked, names: usize) -> Result<Fixed, HubFileError> {
    let mut counts = columns.reader(Column::Counts)?;
    let mut by_kind = [0usize; KINDS];
    let mut total = 1u64;
    for count in &mut by_kind {
        let number = counts.uint()?;
        total = total.saturating_add(number);
        if total > MAX_TYPES {
            return Err(HubFileError::TooLarge { what: "definitions" });
        }
        *count = number as usize;
    }
    counts.end()?;
    let mut types = Fixed::new(Names::fixed(Vec::new(), vec![0]), 0);
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
            return Err(HubFileError::TooLarge { what: "names" });
        }
        ends.push(bytes.len() as u32);
        start = next;
    }
    tails.end()?;
    Ok(Names::fixed(bytes, ends))
}

/// The columns of fields that are no entries.
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

/// What fields are given as differences to, in the definition before of the same kind.
#[derive(Default)]
struct Before {
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

    fn read(mut self, types: &mut Fixed, by_kind: &[usize; KINDS], total: usize) -> Result<(), HubFileError> {
        for (kind, &count) in by_kind.iter().enumerate() {
            let mut before = Before::default();
            for _ in 0..count {
                self.definition(types, kind, &mut before, total)?;
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

    fn name(&mut self, before: &mut Before) -> Result<Name, HubFileError> {
        let step = self.name.below(self.names - before.name as usize, "names")?;
        if step != 0 {
            before.size = 0;
        }
        before.name += step;
        Ok(Name::at(before.name))
    }

    fn size(&mut self, before: &mut Before) -> Result<u32, HubFileError> {
        let size = self.size.u32()?.checked_add(before.size).ok_or_else(|| self.size.malformed("sizes"))?;
        before.size = size;
        Ok(size)
    }

    fn definition(
        &mut self,
        types: &mut Fixed,
        kind: usize,
        before: &mut Before,
        total: usize,
    ) -> Result<(), HubFileError> {
        let composite = |first| if kind == first { Composite::Struct } else { Composite::Union };
        let ty = match kind {
            0 => {
                let (name, size) = (self.name(before)?, self.size(before)?);
                let shape = &mut self.int_shape;
                let (encoding, offset, bits) = (shape.byte()?, shape.byte()?, shape.byte()?);
                Type::Int { name, size, encoding, offset, bits }
            }
            1 => Type::Float { name: self.name(before)?, size: self.size(before)? },
            2 => {
                before.pointee += self.pointee.below(total - before.pointee as usize, "types")?;
                Type::Ptr { pointee: TypeRef::at(before.pointee) }
            }
            3 => {
                let len = self.array_len.u32()?.checked_add(before.len);
                before.len = len.ok_or_else(|| self.array_len.malformed("lengths"))?;
                Type::Array { element: TypeRef::at(self.element.below(total, "types")?), len: before.len }
            }
            4 => {
                let (name, size) = (self.name(before)?, self.size(before)?);
                let flags = self.enum_flags.byte()?;
                Type::Enum { name, size, signed: flags & 1 != 0, wide: flags & 2 != 0 }
            }
            5 => {
                let count = self.param_count.below(MAX_ENTRIES + 1, "lengths")?;
                let result = TypeRef::at(self.param.below(total, "types")?);
                let mut params = Vec::new();
                for _ in 0..count {
                    params.push(TypeRef::at(self.param.below(total, "types")?));
                }
                types.push_func_proto(result, params.into_iter());
                return Ok(());
            }
            6 | 7 => Type::Named { kind: composite(6), name: self.name(before)? },
            8 | 9 => Type::Fwd { kind: composite(8), name: self.name(before)? },
            10 => {
                let name = self.name(before)?;
                Type::Typedef { name, target: TypeRef::at(self.target.below(total, "types")?) }
            }
            _ => {
                let (name, size) = (self.name(before)?, self.size(before)?);
                Type::Composite { kind: composite(11), name, size }
            }
        };
        types.push(ty);
        Ok(())
    }
}

fn read_entries(columns: &mut Unpacked, names: usize, types: &mut Fixed) -> Result<(), HubFileError> {
    let mut counts = columns.reader(Column::EntryCount)?;
    let mut bases = columns.reader(Column::Base)?;
    let mut reader = EntryReader::new(columns, names, types.len())?;
    // Entries of the last definitions, and where each definition's begin.
    let (mut recent, mut starts): (Vec<Entry>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut total = 0;
    let mut last_kind = None;
    for ty in types.refs() {
        let definition = types.get(ty);
        let kind = match definition {
            Type::Enum { .. } => None,
            Type::Composite { kind, .. } => Some(kind),
            _ => continue,
        };
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
        let base = if count == 0 { 0 } else { bases.below(starts.len().min(MAX_BASE) + 1, "places")? };
        let start = recent.len();
        if base == 0 {
            reader.plain(&mut recent, count, kind.is_some())?;
        } else {
            let place = starts.len() - base as usize;
            let end = starts.get(place + 1).copied().unwrap_or(start);
            reader.edited(&mut recent, starts[place]..end, count, kind.is_some())?;
        }
        starts.push(start);
        fill(types, ty, kind, &recent[start..]);
    }
    counts.end()?;
    bases.end()?;
    reader.end()
}

/// Gives a definition its entries: offsets and values from gaps.
fn fill(types: &mut Fixed, ty: TypeRef, kind: Option<Composite>, entries: &[Entry]) {
    let Some(kind) = kind else {
        let mut expected = 0u64;
        types.set_enumerators(
            ty,
            entries.iter().map(|entry| {
                let value = expected.wrapping_add(entry.gap.cast_unsigned());
                expected = value.wrapping_add(1);
                Enumerator { name: Name::at(entry.name), value }
            }),
        );
        return;
    };
    let mut expected = 0u32;
    let mut members = Vec::with_capacity(entries.len());
    for entry in entries {
        let bit_offset = expected.wrapping_add(entry.gap as u32);
        let member = Member {
            name: Name::at(entry.name),
            ty: TypeRef::at(entry.ty),
            bit_offset,
            bitfield_size: entry.bits,
        };
        expected = next_offset(types, kind, member.ty, bit_offset, entry.bits);
        members.push(member);
    }
    types.set_members(ty, members.into_iter());
}
