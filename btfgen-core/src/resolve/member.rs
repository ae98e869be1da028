//! Field access matched against a candidate: `bpf_core_spec_match` and `bpf_core_match_member`.

use std::collections::HashMap;

use super::compat::fields_are_compat;
use super::{Accessor, LocalSpec, MAX_SPEC_LEN, MatchFailure, Reads};
use crate::btf::DataModel;
use crate::types::{Name, Type, TypeRef, Types};

/// The access on the target's side, as far as its value needs it.
pub(super) struct TargetSpec {
    /// The last accessor.
    pub(super) last: Accessor,
    /// Offset in bits, as far as 32 bits hold it.
    pub(super) bit_offset: u32,
    raw_len: usize,
}

/// Why a candidate does not match a field access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rejection {
    /// The local accessor that has no counterpart, by its place.
    pub(super) step: usize,
    /// In which way.
    pub(super) reason: RejectionReason,
}

/// In which way an accessor has no counterpart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RejectionReason {
    /// No member of that name.
    Missing,
    /// A member of that name and of an incompatible type.
    Incompatible,
    /// No array.
    NoArray,
    /// An array with fewer elements than the index needs.
    OutOfRange(u32),
}

/// What became of the search for a member.
enum Found {
    /// No member of that name.
    Nowhere,
    /// A member of that name and of an incompatible type.
    Incompatible,
    /// A compatible member; its type.
    Member(TypeRef),
}

struct Search<'t, 'r> {
    types: &'t Types,
    reads: &'r mut Reads,
    local: Name,
    local_ty: TypeRef,
    /// Embedded structs known not to hold the member when entered at that level, or above.
    barren: HashMap<TypeRef, usize>,
}

/// Matches a field-based relocation against a candidate.
pub(super) fn match_fields(
    types: &Types,
    reads: &mut Reads,
    model: DataModel,
    local: &LocalSpec,
    candidate: TypeRef,
) -> Result<Result<TargetSpec, Rejection>, MatchFailure> {
    let mut ty = types.skip_typedef(candidate);
    let none = Accessor { ty, index: 0, name: Name::EMPTY };
    let mut spec = TargetSpec { last: none, bit_offset: 0, raw_len: 0 };
    for (step, accessor) in local.accessors.iter().enumerate() {
        let reject = |reason| Ok(Err(Rejection { step, reason }));
        if accessor.name != Name::EMPTY {
            let Some(member) = types.members(accessor.ty).get(accessor.index as usize) else {
                return reject(RejectionReason::Missing);
            };
            let mut search =
                Search { types, reads, local: accessor.name, local_ty: member.ty, barren: HashMap::new() };
            match search.member(ty, &mut spec)? {
                Found::Member(next) => ty = next,
                Found::Nowhere => return reject(RejectionReason::Missing),
                Found::Incompatible => return reject(RejectionReason::Incompatible),
            }
            continue;
        }
        // The first accessor's index counts whole root types; those after it count elements of an array.
        if step > 0 {
            let Type::Array { element, len } = types.get(ty) else { return reject(RejectionReason::NoArray) };
            if accessor.index >= len && !is_flexible(types, reads, &spec.last, len) {
                return reject(RejectionReason::OutOfRange(len));
            }
            ty = element;
        }
        if spec.raw_len == MAX_SPEC_LEN {
            return Err(MatchFailure::TooDeep);
        }
        spec.raw_len += 1;
        spec.last = Accessor { ty, index: accessor.index, name: Name::EMPTY };
        // Of the first element only that it has a size counts.
        let size =
            if accessor.index == 0 { types.size_of(ty, model) } else { types.read_size(reads, ty, model) };
        let size = size.ok_or(MatchFailure::Size)?;
        let offset = accessor.index.wrapping_mul(size).wrapping_mul(8);
        spec.bit_offset = spec.bit_offset.wrapping_add(offset);
    }
    Ok(Ok(spec))
}

/// libbpf's `is_flex_arr`: an array of no elements is flexible only as the last member of its struct.
fn is_flexible(types: &Types, reads: &mut Reads, holder: &Accessor, len: u32) -> bool {
    if holder.name == Name::EMPTY || len > 0 {
        return false;
    }
    let is_last = holder.index as usize + 1 == types.members(holder.ty).len();
    if !is_last {
        reads.last(holder.ty);
    }
    is_last
}

impl Search<'_, '_> {
    fn member(&mut self, ty: TypeRef, spec: &mut TargetSpec) -> Result<Found, MatchFailure> {
        let types = self.types;
        let level = spec.raw_len;
        if self.barren.get(&ty).is_some_and(|&at| level <= at) {
            return Ok(Found::Nowhere);
        }
        // libbpf takes back offset and level of a member that is not the one, but not of one found
        // incompatible below an embedded struct; so what such a one added stays here too.
        let mut untouched = true;
        for (index, member) in types.members(ty).iter().enumerate() {
            if spec.raw_len == MAX_SPEC_LEN {
                self.reads.entry(ty, index);
                return Err(MatchFailure::TooDeep);
            }
            spec.bit_offset = spec.bit_offset.wrapping_add(member.bit_offset);
            spec.raw_len += 1;
            if member.name == Name::EMPTY {
                match self.member(member.ty, spec) {
                    Ok(Found::Nowhere) => {}
                    Ok(Found::Incompatible) => {
                        self.reads.entry(ty, index);
                        untouched = false;
                    }
                    found => {
                        self.reads.entry(ty, index);
                        return found;
                    }
                }
            } else if member.name == self.local {
                self.reads.entry(ty, index);
                if !fields_are_compat(types, self.reads, self.local_ty, member.ty) {
                    return Ok(Found::Incompatible);
                }
                spec.last = Accessor { ty, index: index as u32, name: member.name };
                return Ok(Found::Member(member.ty));
            }
            spec.bit_offset = spec.bit_offset.wrapping_sub(member.bit_offset);
            spec.raw_len -= 1;
        }
        if untouched {
            // A higher level is searched again, a lower one never, so levels only grow.
            self.barren.insert(ty, level);
            return Ok(Found::Nowhere);
        }
        Ok(Found::Incompatible)
    }
}
