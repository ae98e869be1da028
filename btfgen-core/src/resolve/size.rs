//! Sizes of types, as libbpf's `btf__resolve_size` finds them.

use super::failure::MatchFailure;
use super::reads::Reads;
use crate::btf::DataModel;
use crate::types::{Type, TypeRef, Types};

/// Size in bytes, which must fit 32 bits.
pub(crate) fn size_of(types: &Types, mut ty: TypeRef, model: DataModel) -> Result<u32, MatchFailure> {
    let mut count = 1u32;
    loop {
        let size = match types.get(ty) {
            Type::Int { size, .. }
            | Type::Float { size, .. }
            | Type::Composite { size, .. }
            | Type::Enum { size, .. } => size,
            Type::Ptr { .. } => u32::from(model.pointer_size),
            Type::Typedef { target, .. } => {
                ty = target;
                continue;
            }
            Type::Array { element, len } => {
                count = count.checked_mul(len).ok_or(MatchFailure::Size)?;
                ty = element;
                continue;
            }
            Type::Opaque { kind, .. } => return Err(MatchFailure::UnknownKind(kind)),
            Type::Void | Type::Fwd { .. } | Type::Named { .. } | Type::FuncProto { .. } => {
                return Err(MatchFailure::Size);
            }
        };
        return count.checked_mul(size).ok_or(MatchFailure::Size);
    }
}

/// As [`size_of`], and records the read of the size.
pub(super) fn read_size(
    types: &Types,
    reads: &mut Reads,
    ty: TypeRef,
    model: DataModel,
) -> Result<u32, MatchFailure> {
    let innermost = innermost_element(types, types.skip_typedef(ty));
    if matches!(types.get(innermost), Type::Ptr { .. } | Type::Composite { .. }) {
        reads.size(innermost);
    }
    size_of(types, ty, model)
}

/// The element type of an array of arrays; other types are returned unchanged.
pub(super) fn innermost_element(types: &Types, mut ty: TypeRef) -> TypeRef {
    while let Type::Array { element, .. } = types.get(ty) {
        ty = element;
    }
    ty
}
