//! What a resolution read of the target's types; all else can be left out of a minimized BTF.

use std::collections::hash_map::Entry;

use crate::memo::Memo;
use crate::types::TypeRef;

/// What was read of one definition, besides its kind, a scalar's size and the types it consists of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeReads {
    /// The name.
    pub name: bool,
    /// What a pointer points at, or a function prototype's result and parameters.
    pub contents: bool,
    /// The size of a struct, union or pointer.
    pub size: bool,
    /// Members or enumerators, by index, sorted.
    pub entries: Vec<u32>,
    /// Number of members or enumerators that must be there at least.
    pub at_least: u32,
    /// The last member, because another was seen not to be the last.
    pub last: bool,
}

/// What was read, by definition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    nodes: Memo<TypeRef, NodeReads>,
}

impl Reads {
    /// What was read of a definition.
    pub fn get(&self, ty: TypeRef) -> Option<&NodeReads> {
        self.nodes.get(&ty)
    }

    /// Everything read, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (TypeRef, &NodeReads)> {
        self.nodes.iter().map(|(&ty, reads)| (ty, reads))
    }

    /// Definitions whose names were read, in no order.
    pub fn named(&self) -> impl Iterator<Item = TypeRef> {
        self.nodes.iter().filter(|(_, reads)| reads.name).map(|(&ty, _)| ty)
    }

    fn node(&mut self, ty: TypeRef) -> &mut NodeReads {
        self.nodes.entry(ty).or_default()
    }

    /// The name of a definition was read.
    pub fn name(&mut self, ty: TypeRef) {
        self.node(ty).name = true;
    }

    /// A pointer or function prototype was followed.
    pub fn contents(&mut self, ty: TypeRef) {
        self.node(ty).contents = true;
    }

    /// The size of a struct, union or pointer was read.
    pub fn size(&mut self, ty: TypeRef) {
        self.node(ty).size = true;
    }

    /// A member or enumerator was read.
    pub fn entry(&mut self, ty: TypeRef, index: usize) {
        self.node(ty).entry(index as u32);
    }

    /// It was read that there are so many members or enumerators.
    pub fn at_least(&mut self, ty: TypeRef, count: usize) {
        let node = self.node(ty);
        node.at_least = node.at_least.max(count as u32);
    }

    /// It was read that some member is not the last one.
    pub fn last(&mut self, ty: TypeRef) {
        self.node(ty).last = true;
    }

    /// Adds what another resolution read.
    pub fn merge(&mut self, other: &Self) {
        for (ty, reads) in other.iter() {
            match self.nodes.entry(ty) {
                Entry::Vacant(entry) => {
                    entry.insert(reads.clone());
                }
                Entry::Occupied(mut entry) => entry.get_mut().merge(reads),
            }
        }
    }
}

impl NodeReads {
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
