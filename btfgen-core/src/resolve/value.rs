//! Values of field-based relocations in one BTF (`bpf_core_calc_field_relo`).

use super::failure::MatchFailure;
use super::local::Accessor;
use super::reads::Reads;
use super::size::{innermost_element, read_size};
use crate::btf::{DataModel, Endian};
use crate::object::RelocationKind;
use crate::types::{Name, Type, TypeRef, Types};

/// A relocation's value, and what else patching a load or store needs (`struct bpf_core_relo_res`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FieldValue {
    /// The value.
    pub(super) value: u64,
    /// Size in bytes of the field, or of its elements, if loads and stores are resized; else 0.
    pub(super) size: u32,
    /// What a load or store of that size accesses.
    pub(super) access: Access,
}

/// What a load or store accesses, as far as resizing depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// A pointer.
    Pointer,
    /// An integer that is zero-extended.
    Unsigned,
    /// Anything else, such as a signed integer.
    Other,
}

/// The value of a field-based relocation, given the last accessor and bit offset of the matched access.
pub(super) fn field_value(
    types: &Types,
    reads: &mut Reads,
    model: DataModel,
    kind: RelocationKind,
    last: &Accessor,
    bit_offset: u32,
) -> Result<FieldValue, MatchFailure> {
    let plain = |value| FieldValue { value, size: 0, access: Access::Other };
    if kind == RelocationKind::FieldExists {
        return Ok(plain(1));
    }
    if last.name == Name::EMPTY {
        return match kind {
            RelocationKind::FieldByteOffset => {
                let element = innermost_element(types, last.ty);
                let size = read_size(types, reads, element, model)?;
                let value = u64::from(bit_offset / 8);
                Ok(FieldValue { value, size, access: access_of(types, last.ty) })
            }
            RelocationKind::FieldByteSize => {
                let size = read_size(types, reads, last.ty, model)?;
                Ok(plain(u64::from(size)))
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
        let size = read_size(types, reads, member.ty, model)?;
        (bit_offset / 8, size, size.wrapping_mul(8))
    };
    Ok(match kind {
        RelocationKind::FieldByteOffset if bitfield => plain(u64::from(byte_offset)),
        RelocationKind::FieldByteOffset => {
            let element = innermost_element(types, member.ty);
            let size = read_size(types, reads, element, model)?;
            let access = access_of(types, member.ty);
            FieldValue { value: u64::from(byte_offset), size, access }
        }
        RelocationKind::FieldByteSize => plain(u64::from(byte_size)),
        RelocationKind::FieldSigned => plain(u64::from(is_signed(types, member.ty))),
        RelocationKind::FieldLshiftU64 => {
            let before = bit_offset.wrapping_sub(byte_offset.wrapping_mul(8));
            // Departure from libbpf, which uses its own machine's byte order: the same one on a real load.
            let shift = match model.endian {
                Endian::Little => 64u32.wrapping_sub(before.wrapping_add(bits)),
                Endian::Big => 8u32.wrapping_sub(byte_size).wrapping_mul(8).wrapping_add(before),
            };
            plain(u64::from(shift))
        }
        _ => plain(u64::from(64u32.wrapping_sub(bits))),
    })
}

/// The smallest load that covers a bitfield: its offset and size in bytes.
///
/// Departure from libbpf: a type of size 0 is a failure, where libbpf would divide by zero.
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

/// Whether a load or store of the original field can be resized to the new one (`fail_memsz_adjust` is not set).
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
