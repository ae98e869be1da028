//! Reduction: a footprint's definitions without the parts that were not read, in a store shared by all kernels.

use super::footprint::Footprint;
use crate::btf::{DataModel, Endian};
use crate::memo::Memo;
use crate::resolve::{TypeReads, size_of};
use crate::types::{Composite, Emission, Enumerator, Member, Name, Ranking, Type, TypeRef, Types};

/// Reduces footprints one after another; definitions that they share are stored and ordered once.
pub(super) struct Reducer {
    types: Types,
    ranking: Ranking,
}

/// The reduction of one footprint.
struct Reduction<'f> {
    source: &'f Types,
    footprint: &'f Footprint,
    reduced: &'f mut Types,
    /// For each definition of the source its reduced definition, once known.
    known: Memo<TypeRef, TypeRef>,
}

impl Reducer {
    pub(super) fn new() -> Self {
        Self { types: Types::new(), ranking: Ranking::default() }
    }

    /// Reduces a footprint's definitions; `source` must be the same store every time.
    pub(super) fn reduce(&mut self, source: &Types, footprint: &Footprint) -> Emission<'_> {
        let mut reduction = Reduction { source, footprint, reduced: &mut self.types, known: Memo::default() };
        let mut copies = Memo::default();
        for (&ty, wanted) in &footprint.roots {
            let reduced = reduction.reduce(ty);
            // Candidates that differ only in parts that were not read become one. If their ids are read, two must be
            // written, since the second candidate makes the relocation ambiguous; a third changes nothing.
            let written = copies.entry(reduced).or_insert(0);
            *written = if wanted.by_id { (*written + wanted.count).min(2) } else { 1 };
        }
        let mut ordered = Vec::with_capacity(footprint.ordered.len());
        for list in &footprint.ordered {
            let mut list: Vec<TypeRef> = list.iter().map(|&ty| reduction.reduce(ty)).collect();
            let mut seen = std::collections::HashSet::new();
            list.retain(|&ty| seen.insert(ty));
            ordered.push(list);
        }
        let mut definitions: Vec<TypeRef> =
            reduction.known.into_values().filter(|&ty| ty != TypeRef::VOID).collect();
        self.ranking.update(&self.types);
        definitions.sort_unstable_by_key(|&ty| self.ranking.rank(ty));
        definitions.dedup();
        Emission { types: &self.types, definitions, copies, ordered }
    }
}

impl Reduction<'_> {
    fn name(&mut self, name: Name) -> Name {
        self.reduced.names_mut().add(self.source.names().get(name))
    }

    /// The name if it was read, else the empty name.
    fn own_name(&mut self, ty: TypeRef, reads: &TypeReads) -> Name {
        if reads.name { self.name(self.source.name_of(ty)) } else { Name::EMPTY }
    }

    fn reduce(&mut self, ty: TypeRef) -> TypeRef {
        if let Some(known) = self.known.get(&ty) {
            return *known;
        }
        let none = TypeReads::default();
        let reads = self.footprint.reads.get(ty).unwrap_or(&none);
        let reduced = self.build(ty, reads);
        self.known.insert(ty, reduced);
        reduced
    }

    fn build(&mut self, ty: TypeRef, reads: &TypeReads) -> TypeRef {
        let source = self.source;
        match source.get(ty) {
            Type::Void => TypeRef::VOID,
            Type::Int { size, encoding, offset, bits, .. } => {
                let name = self.own_name(ty, reads);
                self.reduced.add(Type::Int { name, size, encoding, offset, bits })
            }
            Type::Float { size, .. } => {
                let name = self.own_name(ty, reads);
                self.reduced.add(Type::Float { name, size })
            }
            Type::Ptr { pointee } => {
                let pointee = if reads.contents { self.reduce(pointee) } else { TypeRef::VOID };
                self.reduced.add(Type::Ptr { pointee })
            }
            Type::Array { element, len } => {
                let element = self.reduce(element);
                self.reduced.add(Type::Array { element, len })
            }
            Type::Composite { kind, size, .. } => {
                let name = self.own_name(ty, reads);
                let members: Vec<Member> = entries(source.members(ty), reads)
                    .map(|member| Member {
                        name: self.name(member.name),
                        ty: self.reduce(member.ty),
                        ..*member
                    })
                    .collect();
                let size = if reads.size { size } else { end_bytes(self.reduced, &members) };
                self.reduced.add_composite(kind, name, size, &members)
            }
            Type::Enum { size, signed, wide, .. } => {
                let name = self.own_name(ty, reads);
                let enumerators: Vec<Enumerator> = entries(source.enumerators(ty), reads)
                    .map(|enumerator| Enumerator { name: self.name(enumerator.name), ..*enumerator })
                    .collect();
                self.reduced.add_enum(name, size, signed, wide, &enumerators)
            }
            Type::Fwd { kind, .. } => {
                // Not only if it is read: `btf_fwd_check_meta` refuses a nameless one.
                let name = self.name(self.source.name_of(ty));
                self.reduced.add(Type::Fwd { kind, name })
            }
            Type::Named { kind, .. } => {
                let name = self.own_name(ty, reads);
                self.reduced.add(Type::Named { kind, name })
            }
            Type::Typedef { target, .. } => {
                let name = self.own_name(ty, reads);
                let target = self.reduce(target);
                self.reduced.add(Type::Typedef { name, target })
            }
            // No result depends on its kind: it is the type of a member that only counts, or a parameter. See `check_kinds`.
            Type::Opaque { .. } => self.reduced.add_composite(Composite::Struct, Name::EMPTY, 0, &[]),
            Type::FuncProto { result } if reads.contents => {
                let result = self.reduce(result);
                let params: Vec<TypeRef> =
                    source.params(ty).iter().map(|&param| self.reduce(param)).collect();
                self.reduced.add_func_proto(result, &params)
            }
            Type::FuncProto { .. } => self.reduced.add_func_proto(TypeRef::VOID, &[]),
        }
    }
}

/// The end of the last of these members, in bytes: a size that the kernel accepts for the struct.
///
/// A pointer counts as 8 bytes, as in the kernel's `btf_ptr_check_member`, so that the result is the same for all kernels. An
/// enum next to bitfields counts as at least 4 bytes, as in `btf_enum_check_kflag_member`.
fn end_bytes(types: &Types, members: &[Member]) -> u32 {
    let model = DataModel { endian: Endian::Little, pointer_size: 8 };
    let has_bitfields = members.iter().any(|member| member.bitfield_size != 0);
    let size_bytes = |ty: TypeRef| {
        let least = if has_bitfields && matches!(types.get(ty), Type::Enum { .. }) { 4 } else { 0 };
        size_of(types, ty, model).unwrap_or(0).max(least)
    };
    let end_bits = |member: &Member| {
        let size_bits = match member.bitfield_size {
            0 => 8 * u64::from(size_bytes(member.ty)),
            bits => u64::from(bits),
        };
        u64::from(member.bit_offset) + size_bits
    };
    let end = members.iter().map(end_bits).max().unwrap_or(0).div_ceil(8);
    u32::try_from(end).unwrap_or(u32::MAX)
}

/// Members or enumerators that were read, in order; filled up from the first to the minimum number that was read.
fn entries<'t, T>(all: &'t [T], reads: &TypeReads) -> impl Iterator<Item = &'t T> {
    let mut keep = vec![false; all.len()];
    for &entry in &reads.entries {
        if let Some(keep) = keep.get_mut(entry as usize) {
            *keep = true;
        }
    }
    if reads.last
        && let Some(last) = keep.last_mut()
    {
        *last = true;
    }
    let kept = keep.iter().filter(|&&keep| keep).count();
    let missing = (reads.at_least as usize).saturating_sub(kept);
    keep.iter_mut().filter(|keep| !**keep).take(missing).for_each(|keep| *keep = true);
    all.iter().zip(keep).filter(|&(_, keep)| keep).map(|(entry, _)| entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_struct_ends_where_the_kernel_accepts_it() {
        let mut types = Types::new();
        let int = types.add(Type::Int { name: Name::EMPTY, size: 4, encoding: 0, offset: 0, bits: 32 });
        let pointer = types.add(Type::Ptr { pointee: TypeRef::VOID });
        let packed = types.add_enum(Name::EMPTY, 1, false, false, &[]);
        let check = |members: &[(TypeRef, u32, u8)], expect| {
            let member = |&(ty, bit_offset, bitfield_size)| Member {
                name: Name::EMPTY,
                ty,
                bit_offset,
                bitfield_size,
            };
            let members: Vec<Member> = members.iter().map(member).collect();
            assert_eq!(end_bytes(&types, &members), expect, "{members:?}");
        };
        check(&[], 0);
        check(&[(int, 32, 0), (pointer, 64, 0)], 16);
        check(&[(int, 0, 3)], 1);
        check(&[(int, 30, 3)], 5);
        check(&[(packed, 8, 0)], 2);
        check(&[(int, 0, 3), (packed, 8, 0)], 5);
        check(&[(int, 0, 3), (packed, 8, 2)], 2);
    }
}
