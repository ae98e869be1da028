//! Local spec: a relocation's access string parsed against the object's own types, as `bpf_core_parse_spec` does.

use super::RelocationKind;
use crate::btf::DataModel;
use crate::types::{Name, Type, TypeRef, Types};

/// Most levels that an access may have (`BPF_CORE_SPEC_MAX_LEN`).
pub const MAX_SPEC_LEN: usize = 64;

/// One turning point of an access: a named field, or an array element if the name is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Accessor {
    /// The struct or union that holds the field, or the element's type.
    pub ty: TypeRef,
    /// The member's or element's index, or an enumerator's.
    pub index: u32,
    /// The field's or enumerator's name.
    pub name: Name,
}

/// A relocation as its object states it: a low-level and a high-level spec.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LocalSpec {
    /// The root type.
    pub root: TypeRef,
    /// The relocation's kind.
    pub kind: RelocationKind,
    /// Low-level spec: every level of the access.
    pub raw: Vec<u32>,
    /// High-level spec: named fields and array elements.
    pub accessors: Vec<Accessor>,
    /// Offset in bits, as far as 32 bits hold it.
    pub bit_offset: u32,
}

/// Why an object's relocation makes no sense in the object itself; libbpf refuses the object then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocalFailure {
    /// A relocation kind that this resolver does not know.
    #[error("unknown relocation kind {0}")]
    Kind(u32),
    /// The access string is no list of numbers.
    #[error("malformed access string {0:?}")]
    Access(String),
    /// More levels than 64.
    #[error("the access has more than 64 levels")]
    TooLong,
    /// A type-based relocation whose access string is not "0".
    #[error("a type-based relocation has the access string {0:?} instead of \"0\"")]
    TypeAccess(String),
    /// An enumerator's relocation whose root is no enum, or without that enumerator.
    #[error("the root type has no enumerator {0}")]
    Enumerator(u32),
    /// An index past a struct's members or an array's elements.
    #[error("index {index} at level {level} is out of range")]
    Index {
        /// The index.
        index: u32,
        /// Its place in the access string, from 0.
        level: usize,
    },
    /// A level below a type that has none.
    #[error("level {0} goes into a type that is no struct, union or array")]
    Scalar(usize),
    /// A type without a size.
    #[error("a type's size cannot be told")]
    Size,
    /// The object's own value cannot be worked out.
    #[error("in the object's own types: {0}")]
    Value(super::MatchFailure),
    /// The root type has no name, so that no candidate can be looked for.
    #[error("the root type is anonymous")]
    Anonymous,
    /// The root type is malformed or no type of data.
    #[error(transparent)]
    Root(#[from] crate::btf::BtfError),
}

impl LocalSpec {
    /// Parses an access string against the object's types.
    ///
    /// # Errors
    /// When libbpf's `bpf_core_parse_spec` would refuse it.
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
        let size = types.size_of(ty, model).ok_or(LocalFailure::Size)?;
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
                    let flexible = holder.is_some_and(|holder| types.is_flexible(holder, len));
                    if index >= len && !flexible {
                        return Err(out_of_range);
                    }
                    ty = element;
                    spec.accessors.push(Accessor { ty, index, name: Name::EMPTY });
                    let size = types.size_of(ty, model).ok_or(LocalFailure::Size)?;
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

impl Types {
    /// Whether an array of that length, held by that field, is a flexible one (libbpf's `is_flex_arr`).
    fn is_flexible(&self, holder: &Accessor, len: u32) -> bool {
        holder.name != Name::EMPTY && len == 0 && holder.index as usize + 1 == self.members(holder.ty).len()
    }
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
