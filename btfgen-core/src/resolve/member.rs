//! Field accesses matched against a candidate (`bpf_core_spec_match`, `bpf_core_match_member`).

use std::collections::HashMap;

use super::compat::fields_are_compat;
use super::failure::MatchFailure;
use super::local::{Accessor, LocalSpec, MAX_SPEC_LEN};
use super::reads::Reads;
use super::size::{read_size, size_of};
use crate::btf::DataModel;
use crate::types::{Name, Type, TypeRef, Types};

/// The target spec, as far as computing the value needs it.
pub(super) struct TargetSpec {
    /// The last accessor.
    pub(super) last: Accessor,
    /// Offset in bits, which wraps at 32 bits as in libbpf.
    pub(super) bit_offset: u32,
    raw_len: usize,
}

/// Why there is no target spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// The candidate does not match.
    Rejected(Rejection),
    /// Resolving fails, so libbpf refuses the object.
    Failure(MatchFailure),
}

impl From<MatchFailure> for Mismatch {
    fn from(failure: MatchFailure) -> Self {
        Self::Failure(failure)
    }
}

/// Why a candidate does not match a field access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rejection {
    /// Index of the local accessor that has no counterpart.
    pub(super) step: usize,
    /// Why it has none.
    pub(super) reason: RejectionReason,
}

/// Why an accessor has no counterpart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RejectionReason {
    /// No member of that name.
    Missing,
    /// A member of that name, but of an incompatible type.
    Incompatible,
    /// The target type is not an array.
    NoArray,
    /// An array of that length, which is too short for the index.
    OutOfRange(u32),
}

/// The result of searching a member.
enum Found {
    /// No member of that name.
    Nowhere,
    /// A member of that name, but of an incompatible type.
    Incompatible,
    /// A compatible member, with its type.
    Member(TypeRef),
}

/// The search for one local member in a target type (`bpf_core_match_member`).
struct Search<'t, 'r> {
    types: &'t Types,
    reads: &'r mut Reads,
    name: Name,
    /// The type of the local member.
    local_ty: TypeRef,
    /// Embedded structs known not to contain the member, each with the deepest level at which it was searched. Without
    /// this map hostile types take exponential time.
    without_member: HashMap<TypeRef, usize>,
}

/// Matches a field-based relocation against a candidate.
pub(super) fn match_fields(
    types: &Types,
    reads: &mut Reads,
    model: DataModel,
    local: &LocalSpec,
    candidate: TypeRef,
) -> Result<TargetSpec, Mismatch> {
    let mut ty = types.skip_typedef(candidate);
    let none = Accessor { ty, index: 0, name: Name::EMPTY };
    let mut spec = TargetSpec { last: none, bit_offset: 0, raw_len: 0 };
    for (step, accessor) in local.accessors.iter().enumerate() {
        let reject = |reason| Err(Mismatch::Rejected(Rejection { step, reason }));
        if accessor.name != Name::EMPTY {
            let Some(member) = types.members(accessor.ty).get(accessor.index as usize) else {
                return reject(RejectionReason::Missing);
            };
            let mut search = Search {
                types,
                reads,
                name: accessor.name,
                local_ty: member.ty,
                without_member: HashMap::new(),
            };
            match search.member(ty, &mut spec)? {
                Found::Member(next) => ty = next,
                Found::Nowhere => return reject(RejectionReason::Missing),
                Found::Incompatible => return reject(RejectionReason::Incompatible),
            }
            continue;
        }
        // The first accessor indexes whole root types, as C's `p[1]`; later ones index an array.
        if step > 0 {
            let Type::Array { element, len } = types.get(ty) else { return reject(RejectionReason::NoArray) };
            if accessor.index >= len && !is_flexible(types, reads, &spec.last, len) {
                return reject(RejectionReason::OutOfRange(len));
            }
            ty = element;
        }
        if spec.raw_len == MAX_SPEC_LEN {
            return Err(MatchFailure::TooDeep.into());
        }
        spec.raw_len += 1;
        spec.last = Accessor { ty, index: accessor.index, name: Name::EMPTY };
        // The offset of element 0 does not depend on the size; the type only has to have one.
        let size =
            if accessor.index == 0 { size_of(types, ty, model) } else { read_size(types, reads, ty, model) }?;
        let offset = accessor.index.wrapping_mul(size).wrapping_mul(8);
        spec.bit_offset = spec.bit_offset.wrapping_add(offset);
    }
    Ok(spec)
}

/// libbpf's `is_flex_arr`: an array of length 0 is flexible only as the last member of its struct.
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
        if let Type::Opaque { kind, .. } = types.get(ty) {
            return Err(MatchFailure::UnknownKind(kind));
        }
        let level = spec.raw_len;
        if self.without_member.get(&ty).is_some_and(|&at| level <= at) {
            return Ok(Found::Nowhere);
        }
        // `bpf_core_match_member` restores offset and level after a member that does not match, but not after an embedded
        // struct in which an incompatible member was found. Such changes are kept here too.
        let mut restored = true;
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
                        restored = false;
                    }
                    found => {
                        self.reads.entry(ty, index);
                        return found;
                    }
                }
            } else if member.name == self.name {
                self.reads.entry(ty, index);
                if !fields_are_compat(types, self.reads, self.local_ty, member.ty)? {
                    return Ok(Found::Incompatible);
                }
                spec.last = Accessor { ty, index: index as u32, name: member.name };
                return Ok(Found::Member(member.ty));
            }
            spec.bit_offset = spec.bit_offset.wrapping_sub(member.bit_offset);
            spec.raw_len -= 1;
        }
        if restored {
            // Searching from a deeper level can still fail by [`MAX_SPEC_LEN`], so only levels up to this one are known.
            self.without_member.insert(ty, level);
            return Ok(Found::Nowhere);
        }
        Ok(Found::Incompatible)
    }
}
