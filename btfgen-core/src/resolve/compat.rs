//! Compatibility: whether code compiled for a local type can work with a target type.

use super::failure::MatchFailure;
use super::reads::Reads;
use crate::types::{Type, TypeRef, Types};

/// Limit on the levels that two types are compared (`depth` and `level` in `relo_core.c`).
pub(super) const MAX_LEVEL: u32 = 32;

/// Limit on the steps of a comparison; types of real kernels take fewer than a thousand.
///
/// Departure from libbpf, which has no such limit and takes exponential time for hostile types.
pub(super) const MAX_STEPS: u32 = 1 << 20;

/// libbpf's `btf_kind_core_compat`: equal kinds, or two enums of any width.
///
/// # Errors
/// When one of the kinds is unknown.
pub(super) fn same_kind(a: Type, b: Type) -> Result<bool, MatchFailure> {
    use Type::{Array, Composite, Enum, Float, FuncProto, Fwd, Int, Named, Opaque, Ptr, Typedef, Void};
    Ok(match (a, b) {
        (Opaque { kind, .. }, _) | (_, Opaque { kind, .. }) => return Err(MatchFailure::UnknownKind(kind)),
        (
            Composite { kind: a, .. } | Named { kind: a, .. },
            Composite { kind: b, .. } | Named { kind: b, .. },
        ) => a == b,
        (Void, Void)
        | (Int { .. }, Int { .. })
        | (Float { .. }, Float { .. })
        | (Ptr { .. }, Ptr { .. })
        | (Array { .. }, Array { .. })
        | (Enum { .. }, Enum { .. })
        | (Fwd { .. }, Fwd { .. })
        | (Typedef { .. }, Typedef { .. })
        | (FuncProto { .. }, FuncProto { .. }) => true,
        _ => false,
    })
}

/// libbpf's `bpf_core_fields_are_compat`: whether a field of the target type can be accessed as one of the local type.
pub(super) fn fields_are_compat(
    types: &Types,
    reads: &mut Reads,
    local: TypeRef,
    target: TypeRef,
) -> Result<bool, MatchFailure> {
    let (mut local, mut target) = (local, target);
    loop {
        match (types.get(local), types.get(target)) {
            (Type::Composite { .. }, Type::Composite { .. })
            | (Type::Ptr { .. }, Type::Ptr { .. })
            | (Type::Float { .. }, Type::Float { .. }) => return Ok(true),
            (Type::Int { offset, .. }, Type::Int { offset: other, .. }) => {
                return Ok(offset == 0 && other == 0);
            }
            (Type::Opaque { kind, .. }, _) | (_, Type::Opaque { kind, .. }) => {
                return Err(MatchFailure::UnknownKind(kind));
            }
            (Type::Fwd { name: a, .. }, Type::Fwd { name: b, .. })
            | (Type::Enum { name: a, .. }, Type::Enum { name: b, .. }) => {
                reads.name(target);
                let names = types.names();
                let (a, b) = (names.essential(a), names.essential(b));
                return Ok(names.get(a).is_empty() || names.get(b).is_empty() || a == b);
            }
            (Type::Array { element: a, .. }, Type::Array { element: b, .. }) => (local, target) = (a, b),
            _ => return Ok(false),
        }
    }
}

/// libbpf's `__bpf_core_types_are_compat`: whether the types have the same shape; names may differ.
pub(super) fn types_are_compat(
    types: &Types,
    reads: &mut Reads,
    steps: &mut u32,
    local: TypeRef,
    target: TypeRef,
    level: u32,
) -> Result<bool, MatchFailure> {
    let (mut local, mut target) = (types.skip_typedef(local), types.skip_typedef(target));
    for _ in 0..MAX_LEVEL {
        *steps = steps.checked_sub(1).ok_or(MatchFailure::TooIntricate)?;
        let (own, other) = (types.get(local), types.get(target));
        if !same_kind(own, other)? {
            return Ok(false);
        }
        match (own, other) {
            (Type::Int { offset: a, .. }, Type::Int { offset: b, .. }) => return Ok(a == 0 && b == 0),
            (Type::Ptr { pointee: a }, Type::Ptr { pointee: b }) => {
                reads.contents(target);
                (local, target) = (a, b);
            }
            (Type::Array { element: a, .. }, Type::Array { element: b, .. }) => (local, target) = (a, b),
            (Type::FuncProto { result: a }, Type::FuncProto { result: b }) => {
                reads.contents(target);
                let (params, others) = (types.params(local), types.params(target));
                if params.len() != others.len() {
                    return Ok(false);
                }
                for (&a, &b) in params.iter().zip(others) {
                    let below = level.checked_sub(1).ok_or(MatchFailure::Recursion)?;
                    if !types_are_compat(types, reads, steps, a, b, below)? {
                        return Ok(false);
                    }
                }
                (local, target) = (a, b);
            }
            // `__bpf_core_types_are_compat` has no case for floats: it warns and returns 0.
            (Type::Float { .. }, _) => return Ok(false),
            _ => return Ok(true),
        }
    }
    Err(MatchFailure::Recursion)
}
