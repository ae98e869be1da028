//! Type matching: whether the target type has everything that the local one has (`__bpf_core_types_match`).

use std::collections::HashMap;

use super::compat::MAX_LEVEL;
use super::failure::MatchFailure;
use super::reads::Reads;
use crate::types::{Name, Type, TypeRef, Types};

/// A comparison of a local type with a target type.
pub(super) struct Matching<'t, 'r> {
    pub(super) types: &'t Types,
    pub(super) reads: &'r mut Reads,
    pub(super) steps: &'r mut u32,
}

impl Matching<'_, '_> {
    /// Whether the types match. `behind_pointer` is libbpf's `behind_ptr`: structs and unions then match by name alone.
    pub(super) fn types_match(
        &mut self,
        local: TypeRef,
        target: TypeRef,
        behind_pointer: bool,
        level: u32,
    ) -> Result<bool, MatchFailure> {
        if level == 0 {
            return Err(MatchFailure::Recursion);
        }
        let types = self.types;
        let (mut local, mut target) = (types.skip_typedef(local), types.skip_typedef(target));
        let mut behind_pointer = behind_pointer;
        for _ in 0..MAX_LEVEL {
            *self.steps = self.steps.checked_sub(1).ok_or(MatchFailure::TooIntricate)?;
            // A kind that is not known may be one whose name does not count, such as a modifier.
            if let (Type::Opaque { kind, .. }, _) | (_, Type::Opaque { kind, .. }) =
                (types.get(local), types.get(target))
            {
                return Err(MatchFailure::UnknownKind(kind));
            }
            self.reads.name(target);
            if !self.names_match(types.name_of(local), types.name_of(target)) {
                return Ok(false);
            }
            match (types.get(local), types.get(target)) {
                (Type::Void, other) => return Ok(other == Type::Void),
                (Type::Fwd { kind: a, .. }, Type::Fwd { kind: b, .. }) => return Ok(a == b),
                // A forward declaration matches a struct or union of its kind, behind a pointer only.
                (
                    Type::Fwd { kind: a, .. },
                    Type::Composite { kind: b, .. } | Type::Named { kind: b, .. },
                )
                | (Type::Named { kind: a, .. }, Type::Fwd { kind: b, .. }) => {
                    return Ok(behind_pointer && a == b);
                }
                (Type::Enum { .. }, Type::Enum { .. }) => return Ok(self.enums_match(local, target)),
                (Type::Named { kind: a, .. }, Type::Named { kind: b, .. }) => return Ok(a == b),
                (Type::Composite { kind: a, .. }, Type::Composite { kind: b, .. }) => {
                    return if a == b {
                        self.composites_match(local, target, behind_pointer, level)
                    } else {
                        Ok(false)
                    };
                }
                (Type::Int { size: a, encoding: e, .. }, Type::Int { size: b, encoding: f, .. }) => {
                    return Ok(a == b && e & 1 == f & 1);
                }
                (Type::Ptr { pointee: a }, Type::Ptr { pointee: b }) => {
                    self.reads.contents(target);
                    behind_pointer = true;
                    (local, target) = (a, b);
                }
                (Type::Array { element: a, len }, Type::Array { element: b, len: other }) => {
                    if len != other {
                        return Ok(false);
                    }
                    (local, target) = (a, b);
                }
                (Type::FuncProto { result: a }, Type::FuncProto { result: b }) => {
                    self.reads.contents(target);
                    let (params, others) = (types.params(local), types.params(target));
                    if params.len() != others.len() {
                        return Ok(false);
                    }
                    for (&a, &b) in params.iter().zip(others) {
                        if !self.types_match(a, b, behind_pointer, level - 1)? {
                            return Ok(false);
                        }
                    }
                    (local, target) = (a, b);
                }
                // Kinds differ, or are floats: `__bpf_core_types_match` has no case for them, warns and returns 0.
                _ => return Ok(false),
            }
        }
        Err(MatchFailure::Recursion)
    }

    /// libbpf's `bpf_core_names_match`: equal essential names; the empty name matches only itself.
    fn names_match(&self, local: Name, target: Name) -> bool {
        let names = self.types.names();
        names.essential(local) == names.essential(target)
    }

    /// libbpf's `bpf_core_enums_match`: the target has every local enumerator by name; values may differ.
    fn enums_match(&mut self, local: TypeRef, target: TypeRef) -> bool {
        let types = self.types;
        let (Type::Enum { size: a, .. }, Type::Enum { size: b, .. }) = (types.get(local), types.get(target))
        else {
            return false;
        };
        let (own, other) = (types.enumerators(local), types.enumerators(target));
        if a != b || own.len() > other.len() {
            return false;
        }
        self.reads.at_least(target, own.len());
        let names = types.names();
        let mut first = HashMap::with_capacity(other.len());
        for (index, enumerator) in other.iter().enumerate() {
            first.entry(names.essential(enumerator.name)).or_insert(index);
        }
        own.iter().all(|wanted| {
            let found = first.get(&names.essential(wanted.name));
            found.inspect(|&&index| self.reads.entry(target, index)).is_some()
        })
    }

    /// libbpf's `bpf_core_composites_match`: the target has, for every local member, one of its name that matches.
    fn composites_match(
        &mut self,
        local: TypeRef,
        target: TypeRef,
        behind_pointer: bool,
        level: u32,
    ) -> Result<bool, MatchFailure> {
        let types = self.types;
        let (own, other) = (types.members(local), types.members(target));
        if own.len() > other.len() {
            return Ok(false);
        }
        self.reads.at_least(target, own.len());
        'members: for wanted in own {
            for (index, member) in other.iter().enumerate() {
                *self.steps = self.steps.checked_sub(1).ok_or(MatchFailure::TooIntricate)?;
                if !self.names_match(wanted.name, member.name) {
                    continue;
                }
                self.reads.entry(target, index);
                if self.types_match(wanted.ty, member.ty, behind_pointer, level - 1)? {
                    continue 'members;
                }
            }
            return Ok(false);
        }
        Ok(true)
    }
}
