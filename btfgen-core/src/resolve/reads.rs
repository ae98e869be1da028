//! Reads: the parts of target types that resolution read. A minimized BTF can omit all others.

use std::collections::hash_map::Entry;

use crate::memo::Memo;
use crate::types::TypeRef;

/// The parts of one definition that were read. Its kind, and the size of a scalar, always count as read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypeReads {
    /// The name.
    pub name: bool,
    /// A pointer's target, or a function prototype's result and parameters.
    pub contents: bool,
    /// The size of a struct, union or pointer.
    pub size: bool,
    /// Indices of members or enumerators, sorted.
    pub entries: Vec<u32>,
    /// The minimum number of members or enumerators that was read.
    pub at_least: u32,
    /// The last member: resolution found that another member is not the last.
    pub last: bool,
}

/// The parts that were read, by definition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    types: Memo<TypeRef, TypeReads>,
}

impl Reads {
    /// The parts of a definition that were read; none if it was not read at all.
    pub fn get(&self, ty: TypeRef) -> Option<&TypeReads> {
        self.types.get(&ty)
    }

    /// All definitions that were read, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (TypeRef, &TypeReads)> {
        self.types.iter().map(|(&ty, reads)| (ty, reads))
    }

    /// Definitions whose names were read, in no particular order.
    pub fn named(&self) -> impl Iterator<Item = TypeRef> {
        self.types.iter().filter(|(_, reads)| reads.name).map(|(&ty, _)| ty)
    }

    fn type_reads(&mut self, ty: TypeRef) -> &mut TypeReads {
        self.types.entry(ty).or_default()
    }

    /// Records that the name of a definition was read.
    pub fn name(&mut self, ty: TypeRef) {
        self.type_reads(ty).name = true;
    }

    /// Records that a pointer or function prototype was followed.
    pub fn contents(&mut self, ty: TypeRef) {
        self.type_reads(ty).contents = true;
    }

    /// Records that the size of a struct, union or pointer was read.
    pub fn size(&mut self, ty: TypeRef) {
        self.type_reads(ty).size = true;
    }

    /// Records that a member or enumerator was read.
    pub fn entry(&mut self, ty: TypeRef, index: usize) {
        self.type_reads(ty).entry(index as u32);
    }

    /// Records that a definition must have at least `count` members or enumerators.
    pub fn at_least(&mut self, ty: TypeRef, count: usize) {
        let reads = self.type_reads(ty);
        reads.at_least = reads.at_least.max(count as u32);
    }

    /// Records that some member was found not to be the last one.
    pub fn last(&mut self, ty: TypeRef) {
        self.type_reads(ty).last = true;
    }

    /// Adds the reads of another resolution.
    pub fn merge(&mut self, other: &Self) {
        for (ty, reads) in other.iter() {
            match self.types.entry(ty) {
                Entry::Vacant(entry) => {
                    entry.insert(reads.clone());
                }
                Entry::Occupied(mut entry) => entry.get_mut().merge(reads),
            }
        }
    }
}

impl TypeReads {
    fn entry(&mut self, index: u32) {
        if let Err(at) = self.entries.binary_search(&index) {
            self.entries.insert(at, index);
        }
    }

    fn merge(&mut self, other: &Self) {
        if self.entries != other.entries {
            other.entries.iter().for_each(|&entry| self.entry(entry));
        }
        self.name |= other.name;
        self.contents |= other.contents;
        self.size |= other.size;
        self.at_least = self.at_least.max(other.at_least);
        self.last |= other.last;
    }
}
