//! One relocation answered for one candidate.

use super::compat::{MAX_LEVEL, MAX_STEPS, types_are_compat};
use super::matches::Matching;
use super::member::match_fields;
use super::value::{FieldValue, field_value, may_adjust};
use super::{LocalFailure, LocalSpec, MatchFailure, Reads, RelocationKind};
use crate::btf::DataModel;
use crate::types::{TypeRef, Types};

/// What a relocation resolves to against one candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// The candidate does not match.
    NoMatch,
    /// It matches and gives a value.
    Match(Resolved),
    /// The resolution fails, and with it the load.
    Failure(MatchFailure),
}

/// A value from one candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resolved {
    /// The value; for `TypeIdTarget` 0, since ids are a BTF's own.
    pub value: u64,
    /// Offset of the field in bits, which candidates must agree on.
    pub bit_offset: u32,
    /// Size in bytes of the field for loads and stores; 0 where it does not count.
    pub size: u32,
    /// Whether a load or store in the object's size would misread the field (`fail_memsz_adjust`).
    pub misread: bool,
}

/// Answers a relocation for one candidate and records what of the candidate was read.
pub fn evaluate(
    types: &Types,
    reads: &mut Reads,
    local_model: DataModel,
    local: &LocalSpec,
    target_model: DataModel,
    candidate: TypeRef,
) -> Answer {
    match try_evaluate(types, reads, local_model, local, target_model, candidate) {
        Ok(Some(resolved)) => Answer::Match(resolved),
        Ok(None) => Answer::NoMatch,
        Err(failure) => Answer::Failure(failure),
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
    let kind = local.kind;
    if kind.is_field_based() {
        let Ok(spec) = match_fields(types, reads, model, local, candidate)? else { return Ok(None) };
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
        RelocationKind::TypeSize => {
            u64::from(types.read_size(reads, candidate, model).ok_or(MatchFailure::Size)?)
        }
        RelocationKind::TypeIdTarget => 0,
        _ => 1,
    }))
}

/// The value that a field-based relocation has in the object itself.
pub(super) fn local_value(
    types: &Types,
    model: DataModel,
    local: &LocalSpec,
) -> Result<FieldValue, MatchFailure> {
    let last = local.accessors.last().ok_or(MatchFailure::Size)?;
    field_value(types, &mut Reads::default(), model, local.kind, last, local.bit_offset)
}

/// The value of the first enumerator of that name, flavors aside.
fn match_enumerator(types: &Types, reads: &mut Reads, local: &LocalSpec, candidate: TypeRef) -> Option<u64> {
    let names = types.names();
    let wanted = names.essential(local.accessors.first()?.name);
    let ty = types.skip_typedef(candidate);
    let enumerators = types.enumerators(ty);
    let index = enumerators.iter().position(|there| names.essential(there.name) == wanted)?;
    reads.entry(ty, index);
    Some(enumerators[index].value)
}

/// Checks what libbpf computes of a relocation from the object alone, whatever the kernel.
///
/// # Errors
/// When it has no value in the object itself, so that the load always fails.
pub fn check_local(types: &Types, model: DataModel, local: &LocalSpec) -> Result<(), LocalFailure> {
    if local.kind.is_field_based() {
        local_value(types, model, local).map_err(LocalFailure::Value)?;
    }
    if local.kind == RelocationKind::TypeSize {
        types.size_of(local.root, model).ok_or(LocalFailure::Size)?;
    }
    Ok(())
}
