//! Content: hashes of definitions that are equal in any store, whatever else it holds and in which order.

use std::hash::{Hash, Hasher};

use super::{Name, Type, TypeRef, Types};
use crate::cache::hasher;

impl Types {
    /// For each definition, in the order of interning, a hash of its content.
    pub(crate) fn content_hashes(&self) -> Vec<u64> {
        let mut hashes = Vec::with_capacity(self.len());
        for index in 0..self.len() as u32 {
            hashes.push(self.content_hash(TypeRef(index), &hashes));
        }
        hashes
    }

    /// The hash of a definition, given those of all before it, among which are all that it refers to.
    fn content_hash(&self, ty: TypeRef, before: &[u64]) -> u64 {
        let mut state = hasher();
        let name = |name: Name| self.names().get(name);
        let hash = |ty: TypeRef| before.get(ty.index());
        match self.get(ty) {
            Type::Void => 0u8.hash(&mut state),
            Type::Int { size, encoding, offset, bits, .. } => {
                (1u8, size, encoding, offset, bits).hash(&mut state);
            }
            Type::Float { size, .. } => (2u8, size).hash(&mut state),
            Type::Ptr { pointee } => (3u8, hash(pointee)).hash(&mut state),
            Type::Array { element, len } => (4u8, hash(element), len).hash(&mut state),
            Type::Composite { kind, size, .. } => (5u8, kind, size).hash(&mut state),
            Type::Enum { size, signed, wide, .. } => (6u8, size, signed, wide).hash(&mut state),
            Type::Fwd { kind, .. } => (7u8, kind).hash(&mut state),
            Type::Named { kind, .. } => (8u8, kind).hash(&mut state),
            Type::Typedef { target, .. } => (9u8, hash(target)).hash(&mut state),
            Type::FuncProto { result } => (10u8, hash(result)).hash(&mut state),
        }
        name(self.name_of(ty)).hash(&mut state);
        for member in self.members(ty) {
            (name(member.name), hash(member.ty), member.bit_offset, member.bitfield_size).hash(&mut state);
        }
        for enumerator in self.enumerators(ty) {
            (name(enumerator.name), enumerator.value).hash(&mut state);
        }
        self.params(ty).iter().for_each(|&param| hash(param).hash(&mut state));
        state.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Member;

    #[test]
    fn content_counts_and_the_store_does_not() {
        let build = |first: &[&[u8]], len: u32, name: &[u8]| {
            let mut types = Types::new();
            for other in first {
                let name = types.names_mut().add(other);
                types.add(Type::Float { name, size: 8 });
            }
            let int = types.names_mut().add(b"int");
            let int = types.add(Type::Int { name: int, size: 4, encoding: 1, offset: 0, bits: 32 });
            let array = types.add(Type::Array { element: int, len });
            let member =
                Member { name: types.names_mut().add(name), ty: array, bit_offset: 0, bitfield_size: 0 };
            let root = types.names_mut().add(b"root");
            let root = types.add_composite(crate::types::Composite::Struct, root, 8, &[member]);
            types.content_hashes()[root.index()]
        };
        let base = build(&[], 2, b"x");
        assert_eq!(build(&[b"double", b"x"], 2, b"x"), base);
        assert_ne!(build(&[], 3, b"x"), base);
        assert_ne!(build(&[], 2, b"y"), base);
    }
}
