//! One relocation evaluated for one candidate.

use super::compat::{MAX_LEVEL, MAX_STEPS, types_are_compat};
use super::failure::MatchFailure;
use super::local::{LocalFailure, LocalSpec};
use super::matches::Matching;
use super::member::{Mismatch, match_fields};
use super::reads::Reads;
use super::size::{read_size, size_of};
use super::value::{FieldValue, field_value, may_adjust};
use crate::btf::DataModel;
use crate::object::RelocationKind;
use crate::types::{Type, TypeRef, Types};

/// The result of a relocation for one candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MatchResult {
    /// The candidate does not match.
    NoMatch,
    /// It matches and gives a value.
    Match(Resolved),
    /// Resolving fails, so libbpf refuses the object.
    Failure(MatchFailure),
}

/// A value from one candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resolved {
    /// The value; 0 for `TypeIdTarget`, since ids differ between BTFs.
    pub value: u64,
    /// Offset of the field in bits; candidates must agree on it.
    pub bit_offset: u32,
    /// Size in bytes that loads and stores are resized to; 0 if they are not.
    pub size: u32,
    /// Whether a load or store cannot be resized to that size (`fail_memsz_adjust`).
    pub misread: bool,
}

/// Resolves a relocation against one candidate, and records which parts of the candidate were read.
pub(super) fn evaluate(
    types: &Types,
    reads: &mut Reads,
    local_model: DataModel,
    local: &LocalSpec,
    target_model: DataModel,
    candidate: TypeRef,
) -> MatchResult {
    match try_evaluate(types, reads, local_model, local, target_model, candidate) {
        Ok(Some(resolved)) => MatchResult::Match(resolved),
        Ok(None) => MatchResult::NoMatch,
        Err(failure) => MatchResult::Failure(failure),
    }
}

fn try_evaluate(
    types: &Types,
    reads: &mut Reads,
    local_model: DataModel,
    local: &LocalSpec,
    model: DataModel,
    candidate: TypeRef,
) -> Result<Option<Resolved>, MatchFailure> {
    let plain = |value| Some(Resolved { value, bit_offset: 0, size: 0, misread: false });
    if let Type::Opaque { kind, .. } = types.get(types.skip_typedef(candidate)) {
        return Err(MatchFailure::UnknownKind(kind));
    }
    let kind = local.kind;
    if kind.is_field_based() {
        let spec = match match_fields(types, reads, model, local, candidate) {
            Ok(spec) => spec,
            Err(Mismatch::Rejected(_)) => return Ok(None),
            Err(Mismatch::Failure(failure)) => return Err(failure),
        };
        let original = local_value(types, local_model, local)?;
        let new = field_value(types, reads, model, kind, &spec.last, spec.bit_offset)?;
        return Ok(Some(Resolved {
            value: new.value,
            bit_offset: spec.bit_offset,
            size: new.size,
            misread: !may_adjust(&original, &new),
        }));
    }
    if kind.is_enumval_based() {
        return Ok(match_enumerator(types, reads, local, candidate)
            .and_then(|value| plain(if kind == RelocationKind::EnumvalValue { value } else { 1 })));
    }
    let mut steps = MAX_STEPS;
    let matched = if kind == RelocationKind::TypeMatches {
        let mut matching = Matching { types, reads: &mut *reads, steps: &mut steps };
        matching.types_match(local.root, candidate, false, MAX_LEVEL)?
    } else {
        types_are_compat(types, reads, &mut steps, local.root, candidate, MAX_LEVEL)?
    };
    if !matched {
        return Ok(None);
    }
    Ok(plain(match kind {
        RelocationKind::TypeSize => u64::from(read_size(types, reads, candidate, model)?),
        RelocationKind::TypeIdTarget => 0,
        _ => 1,
    }))
}

/// The value of a field-based relocation in the object's own types.
pub(super) fn local_value(
    types: &Types,
    model: DataModel,
    local: &LocalSpec,
) -> Result<FieldValue, MatchFailure> {
    let last = local.accessors.last().ok_or(MatchFailure::Size)?;
    field_value(types, &mut Reads::default(), model, local.kind, last, local.bit_offset)
}

/// The value of the first enumerator with the same essential name (`bpf_core_spec_match`).
fn match_enumerator(types: &Types, reads: &mut Reads, local: &LocalSpec, candidate: TypeRef) -> Option<u64> {
    let names = types.names();
    let wanted = names.essential(local.accessors.first()?.name);
    let ty = types.skip_typedef(candidate);
    let enumerators = types.enumerators(ty);
    let index = enumerators.iter().position(|target| names.essential(target.name) == wanted)?;
    reads.entry(ty, index);
    Some(enumerators[index].value)
}

/// Checks that a relocation has a value in the object's own types (`orig_val` in `bpf_core_calc_relo`).
///
/// # Errors
/// When it has none: libbpf then refuses the object on any kernel.
pub(super) fn check_local(types: &Types, model: DataModel, local: &LocalSpec) -> Result<(), LocalFailure> {
    if local.kind.is_field_based() {
        local_value(types, model, local).map_err(LocalFailure::Value)?;
    }
    if local.kind == RelocationKind::TypeSize {
        size_of(types, local.root, model).map_err(LocalFailure::Value)?;
    }
    Ok(())
}
