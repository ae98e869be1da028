//! Values: what an access or a type amounts to in one BTF (`bpf_core_calc_field_relo` and its siblings).

use super::{Accessor, MatchFailure, Reads, RelocationKind};
use crate::btf::{DataModel, Endian};
use crate::types::{Name, Type, TypeRef, Types};

/// A field's value, and what a load or store of it must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FieldValue {
    /// The value asked for.
    pub(super) value: u64,
    /// Size in bytes of the field, or of its elements, where loads and stores are to be adjusted; else 0.
    pub(super) size: u32,
    /// What loads and stores of that size are of.
    pub(super) access: Access,
    /// Whether the instruction must hold the local value.
    pub(super) validate: bool,
}

/// What a load or store reads, as far as its size may be adjusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// A pointer.
    Pointer,
    /// An integer that is zero-extended.
    Unsigned,
    /// Anything else, such as a signed integer.
    Other,
}

impl Types {
    /// Size in bytes, as libbpf's `btf__resolve_size` finds it.
    pub fn size_of(&self, ty: TypeRef, model: DataModel) -> Option<u32> {
        let mut ty = ty;
        let mut len = 1u32;
        loop {
            let size = match self.get(ty) {
                Type::Int { size, .. }
                | Type::Float { size, .. }
                | Type::Composite { size, .. }
                | Type::Enum { size, .. } => size,
                Type::Ptr { .. } => u32::from(model.pointer_size),
                Type::Typedef { target, .. } => {
                    ty = target;
                    continue;
                }
                Type::Array { element, len: elements } => {
                    len = len.checked_mul(elements)?;
                    ty = element;
                    continue;
                }
                Type::Void | Type::Fwd { .. } | Type::Named { .. } | Type::FuncProto { .. } => return None,
            };
            return len.checked_mul(size);
        }
    }

    /// As [`Types::size_of`], and records as read what the size comes from.
    pub(super) fn read_size(&self, reads: &mut Reads, ty: TypeRef, model: DataModel) -> Option<u32> {
        let innermost = self.innermost_element(self.skip_typedef(ty));
        if matches!(self.get(innermost), Type::Ptr { .. } | Type::Composite { .. }) {
            reads.size(innermost);
        }
        self.size_of(ty, model)
    }

    fn innermost_element(&self, mut ty: TypeRef) -> TypeRef {
        while let Type::Array { element, .. } = self.get(ty) {
            ty = element;
        }
        ty
    }
}

/// What a field-based relocation amounts to, where the access has been matched.
pub(super) fn field_value(
    types: &Types,
    reads: &mut Reads,
    model: DataModel,
    kind: RelocationKind,
    last: &Accessor,
    bit_offset: u32,
) -> Result<FieldValue, MatchFailure> {
    let plain = |value, validate| FieldValue { value, size: 0, access: Access::Other, validate };
    if kind == RelocationKind::FieldExists {
        return Ok(plain(1, true));
    }
    if last.name == Name::EMPTY {
        return match kind {
            RelocationKind::FieldByteOffset => {
                let element = types.innermost_element(last.ty);
                let size = types.read_size(reads, element, model).ok_or(MatchFailure::Size)?;
                let value = u64::from(bit_offset / 8);
                Ok(FieldValue { value, size, access: access_of(types, last.ty), validate: true })
            }
            RelocationKind::FieldByteSize => {
                let size = types.read_size(reads, last.ty, model).ok_or(MatchFailure::Size)?;
                Ok(plain(u64::from(size), true))
            }
            _ => Err(MatchFailure::ArrayAccess),
        };
    }
    let member = types.members(last.ty).get(last.index as usize).ok_or(MatchFailure::Size)?;
    let bitfield = member.bitfield_size > 0;
    let (byte_offset, byte_size, bits) = if bitfield {
        let bits = u32::from(member.bitfield_size);
        let (offset, size) = bitfield_unit(types, member.ty, bit_offset, bits)?;
        (offset, size, bits)
    } else {
        let size = types.read_size(reads, member.ty, model).ok_or(MatchFailure::Size)?;
        (bit_offset / 8, size, size.wrapping_mul(8))
    };
    Ok(match kind {
        RelocationKind::FieldByteOffset if bitfield => plain(u64::from(byte_offset), false),
        RelocationKind::FieldByteOffset => {
            let element = types.innermost_element(member.ty);
            let size = types.read_size(reads, element, model).ok_or(MatchFailure::Size)?;
            let access = access_of(types, member.ty);
            FieldValue { value: u64::from(byte_offset), size, access, validate: true }
        }
        RelocationKind::FieldByteSize => plain(u64::from(byte_size), !bitfield),
        RelocationKind::FieldSigned => plain(u64::from(is_signed(types, member.ty)), true),
        RelocationKind::FieldLshiftU64 => {
            let before = bit_offset.wrapping_sub(byte_offset.wrapping_mul(8));
            let shift = match model.endian {
                Endian::Little => 64u32.wrapping_sub(before.wrapping_add(bits)),
                Endian::Big => 8u32.wrapping_sub(byte_size).wrapping_mul(8).wrapping_add(before),
            };
            plain(u64::from(shift), !bitfield)
        }
        _ => plain(u64::from(64u32.wrapping_sub(bits)), true),
    })
}

/// The smallest load that covers a bitfield: its offset and size in bytes.
fn bitfield_unit(types: &Types, ty: TypeRef, bit_offset: u32, bits: u32) -> Result<(u32, u32), MatchFailure> {
    let mut size = match types.get(ty) {
        Type::Int { size, .. } | Type::Enum { size, .. } if size > 0 => size,
        _ => return Err(MatchFailure::Size),
    };
    loop {
        let offset = bit_offset / 8 / size * size;
        if u64::from(bit_offset) + u64::from(bits) <= (u64::from(offset) + u64::from(size)) * 8 {
            return Ok((offset, size));
        }
        if size >= 8 {
            return Err(MatchFailure::Bitfield);
        }
        size *= 2;
    }
}

fn is_signed(types: &Types, ty: TypeRef) -> bool {
    match types.get(ty) {
        Type::Enum { signed, .. } => signed,
        Type::Int { encoding, .. } => encoding & 1 != 0,
        _ => false,
    }
}

/// libbpf compares the whole encoding with `BTF_INT_SIGNED`, so a signed char counts as unsigned here.
fn access_of(types: &Types, ty: TypeRef) -> Access {
    match types.get(ty) {
        Type::Ptr { .. } => Access::Pointer,
        Type::Int { encoding, .. } if encoding != 1 => Access::Unsigned,
        _ => Access::Other,
    }
}

/// Whether a load or store of one size and kind may be turned into one of another (`fail_memsz_adjust` is not set).
pub(super) fn may_adjust(original: &FieldValue, new: &FieldValue) -> bool {
    original.size == new.size
        || matches!(
            (original.access, new.access),
            (Access::Pointer, Access::Pointer) | (Access::Unsigned, Access::Unsigned)
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitfields_are_covered_by_the_smallest_load() {
        let mut types = Types::new();
        let name = types.names_mut().add(b"t");
        let mut check = |unit: u32, bit_offset: u32, bits: u32, expect: Option<(u32, u32)>| {
            let ty = types.add(Type::Int { name, size: unit, encoding: 0, offset: 0, bits: 8 });
            let got = bitfield_unit(&types, ty, bit_offset, bits).ok();
            assert_eq!(got, expect, "{bits} bits at {bit_offset} in units of {unit}");
        };
        check(1, 3, 5, Some((0, 1)));
        check(1, 3, 6, Some((0, 2)));
        check(4, 33, 4, Some((4, 4)));
        check(4, 30, 4, Some((0, 8)));
        check(8, 62, 4, None);
        check(0, 0, 1, None);
    }
}
