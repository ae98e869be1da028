//! Local specs: an access string parsed against the object's own types (`bpf_core_parse_spec`).

use super::failure::MatchFailure;
use super::size::size_of;
use crate::btf::DataModel;
use crate::object::RelocationKind;
use crate::types::{Name, Type, TypeRef, Types};

/// Limit on the levels of an access (`BPF_CORE_SPEC_MAX_LEN`).
pub(super) const MAX_SPEC_LEN: usize = 64;

/// One step of a high-level spec (`struct bpf_core_accessor`): a named field, or an array element if the name is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Accessor {
    /// The struct or union that holds the field, or the element's type.
    pub ty: TypeRef,
    /// The member's or element's index, or an enumerator's.
    pub index: u32,
    /// The field's or enumerator's name.
    pub name: Name,
}

/// A relocation's low-level and high-level spec in the object's own types (`struct bpf_core_spec`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LocalSpec {
    /// The root type.
    pub root: TypeRef,
    /// The relocation's kind.
    pub kind: RelocationKind,
    /// Low-level spec: the indices of the access string (`raw_spec`).
    pub raw: Vec<u32>,
    /// High-level spec: named fields and array elements (`spec`).
    pub accessors: Vec<Accessor>,
    /// Offset in bits, which wraps at 32 bits as in libbpf.
    pub bit_offset: u32,
}

/// Why a relocation is invalid in the object itself; libbpf refuses the object on any kernel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocalFailure {
    /// An unknown relocation kind.
    #[error("unknown relocation kind {0}")]
    Kind(u32),
    /// The access string is not a list of numbers.
    #[error("malformed access string {0:?}")]
    Access(String),
    /// More levels than 64.
    #[error("the access has more than 64 levels")]
    TooLong,
    /// A type-based relocation whose access string is not "0".
    #[error("a type-based relocation has the access string {0:?} instead of \"0\"")]
    TypeAccess(String),
    /// An enumerator relocation whose root is not an enum, or has no such enumerator.
    #[error("the root type has no enumerator {0}")]
    Enumerator(u32),
    /// An index past a struct's members or an array's elements.
    #[error("index {index} at level {level} is out of range")]
    Index {
        /// The index.
        index: u32,
        /// Its level in the access string, from 0.
        level: usize,
    },
    /// An index into a type that has neither members nor elements.
    #[error("level {0} of the access is in a type that is not a struct, union or array")]
    Scalar(usize),
    /// The value in the object's own types cannot be computed.
    #[error("in the object's own types: {0}")]
    Value(MatchFailure),
    /// The root type has no name, so it has no candidates.
    #[error("the root type is anonymous")]
    Anonymous,
    /// The root type is malformed, or not a data type.
    #[error(transparent)]
    Root(#[from] crate::btf::BtfError),
}

impl LocalSpec {
    /// Parses an access string against the object's types.
    ///
    /// # Errors
    /// When libbpf's `bpf_core_parse_spec` refuses it. Departure from libbpf: signs and blanks, which its `sscanf` accepts,
    /// are refused too.
    pub fn parse(
        types: &Types,
        model: DataModel,
        root: TypeRef,
        kind: RelocationKind,
        access: &str,
    ) -> Result<Self, LocalFailure> {
        let mut spec = Self { root, kind, raw: Vec::new(), accessors: Vec::new(), bit_offset: 0 };
        if kind.is_type_based() {
            return if access == "0" { Ok(spec) } else { Err(LocalFailure::TypeAccess(access.to_owned())) };
        }
        spec.raw = parse_access(access)?;
        let first = spec.raw[0];
        let mut ty = types.skip_typedef(root);
        if kind.is_enumval_based() {
            let enumerators = types.enumerators(ty);
            let enumerator = enumerators.get(first as usize).filter(|_| spec.raw.len() == 1);
            let name = enumerator.ok_or(LocalFailure::Enumerator(first))?.name;
            spec.accessors.push(Accessor { ty, index: first, name });
            return Ok(spec);
        }
        spec.accessors.push(Accessor { ty, index: first, name: Name::EMPTY });
        let size = size_of(types, ty, model).map_err(LocalFailure::Value)?;
        spec.bit_offset = first.wrapping_mul(size).wrapping_mul(8);
        for (level, &index) in spec.raw.iter().enumerate().skip(1) {
            let out_of_range = LocalFailure::Index { index, level };
            match types.get(ty) {
                Type::Composite { .. } => {
                    let member = types.members(ty).get(index as usize).ok_or(out_of_range)?;
                    spec.bit_offset = spec.bit_offset.wrapping_add(member.bit_offset);
                    if member.name != Name::EMPTY {
                        spec.accessors.push(Accessor { ty, index, name: member.name });
                    }
                    ty = member.ty;
                }
                Type::Array { element, len } => {
                    let holder = spec.accessors.last();
                    let flexible = holder.is_some_and(|holder| is_flexible(types, holder, len));
                    if index >= len && !flexible {
                        return Err(out_of_range);
                    }
                    ty = element;
                    spec.accessors.push(Accessor { ty, index, name: Name::EMPTY });
                    let size = size_of(types, ty, model).map_err(LocalFailure::Value)?;
                    spec.bit_offset = spec.bit_offset.wrapping_add(index.wrapping_mul(size).wrapping_mul(8));
                }
                _ => return Err(LocalFailure::Scalar(level)),
            }
        }
        Ok(spec)
    }
}

fn parse_access(access: &str) -> Result<Vec<u32>, LocalFailure> {
    let malformed = || LocalFailure::Access(access.chars().take(80).collect());
    let mut raw = Vec::new();
    for part in access.split(':') {
        if raw.len() == MAX_SPEC_LEN {
            return Err(LocalFailure::TooLong);
        }
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(malformed());
        }
        let index: i32 = part.parse().map_err(|_| malformed())?;
        raw.push(index.cast_unsigned());
    }
    Ok(raw)
}

/// libbpf's `is_flex_arr`: whether an array of that length, the type of that field, is flexible.
fn is_flexible(types: &Types, holder: &Accessor, len: u32) -> bool {
    holder.name != Name::EMPTY && len == 0 && holder.index as usize + 1 == types.members(holder.ty).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_access_strings() {
        let check = |access: &str, expect: Option<&[u32]>| {
            assert_eq!(parse_access(access).ok().as_deref(), expect, "{access:?}");
        };
        check("0", Some(&[0]));
        check("0:1:22", Some(&[0, 1, 22]));
        check("", None);
        check(":0", None);
        check("0:", None);
        check("0::1", None);
        check("-1", None);
        check("+1", None);
        check("0x1", None);
        check("4294967295", None);
        check(&vec!["1"; 64].join(":"), Some(&[1; 64]));
        check(&vec!["1"; 65].join(":"), None);
    }
}
