//! Names, stored once, each with its essential name: the name without its flavor.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::btf::shown_name;

/// A name in a [`Names`]; equal names have one index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(u32);

impl Name {
    /// The name of an unnamed type or member.
    pub const EMPTY: Self = Self(0);

    /// The name with that index; nothing checks that the store has one for it.
    pub(crate) fn at(index: u32) -> Self {
        Self(index)
    }

    /// Index in the order of adding.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The index, as files store it.
    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

/// A store of names.
#[derive(Clone)]
pub struct Names {
    bytes: Vec<u8>,
    /// End of each name in `bytes`.
    ends: Vec<u32>,
    essential: Vec<Name>,
    /// Indices of names, by their bytes.
    table: HashTable<u32>,
    hasher: FixedState,
}

impl Names {
    /// A store that holds the empty name only.
    pub(super) fn new() -> Self {
        let mut names = Self {
            bytes: Vec::new(),
            ends: Vec::new(),
            essential: Vec::new(),
            table: HashTable::new(),
            hasher: FixedState::with_seed(1),
        };
        names.add(b"");
        names
    }

    /// Names in the order of a file, the first of which must be empty. They cannot be looked up by their bytes, and each is
    /// its own essential name.
    ///
    /// `ends` has the end of each name in `bytes`, ascending.
    pub(crate) fn unindexed(bytes: Vec<u8>, ends: Vec<u32>) -> Self {
        let essential = (0..ends.len() as u32).map(Name).collect();
        Self { bytes, ends, essential, table: HashTable::new(), hasher: FixedState::with_seed(1) }
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is nothing but the empty name.
    pub fn is_empty(&self) -> bool {
        self.ends.len() <= 1
    }

    /// A name's bytes.
    pub fn get(&self, name: Name) -> &[u8] {
        slice(&self.bytes, &self.ends, name.index())
    }

    /// A name for a message, shortened if it is long.
    pub fn text(&self, name: Name) -> std::borrow::Cow<'_, str> {
        shown_name(self.get(name))
    }

    /// The name without its flavor.
    pub fn essential(&self, name: Name) -> Name {
        self.essential.get(name.index()).copied().unwrap_or(name)
    }

    /// The name with these bytes, if there is one.
    pub fn find(&self, bytes: &[u8]) -> Option<Name> {
        let hash = self.hash(bytes);
        self.table
            .find(hash, |&index| slice(&self.bytes, &self.ends, index as usize) == bytes)
            .copied()
            .map(Name)
    }

    /// Adds a name, or finds it.
    pub fn add(&mut self, bytes: &[u8]) -> Name {
        if let Some(name) = self.find(bytes) {
            return name;
        }
        let essential_len = essential_len(bytes);
        let essential = (essential_len < bytes.len()).then(|| self.add(&bytes[..essential_len]));
        let index = self.ends.len() as u32;
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len() as u32);
        self.essential.push(essential.unwrap_or(Name(index)));
        let hash = self.hash(bytes);
        let Self { bytes, ends, table, hasher, .. } = self;
        table.insert_unique(hash, index, |&index| hash_bytes(hasher, slice(bytes, ends, index as usize)));
        Name(index)
    }

    fn hash(&self, bytes: &[u8]) -> u64 {
        hash_bytes(&self.hasher, bytes)
    }
}

fn slice<'a>(bytes: &'a [u8], ends: &[u32], index: usize) -> &'a [u8] {
    let Some(&end) = ends.get(index) else { return &[] };
    let start = index.checked_sub(1).map_or(0, |before| ends[before] as usize);
    &bytes[start..end as usize]
}

fn hash_bytes(hasher: &FixedState, bytes: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(bytes);
    state.finish()
}

/// Length in bytes of a name without its flavor, as libbpf's `bpf_core_essential_name_len` computes it.
///
/// The last `___` between characters other than underscores separates the flavor:
///
/// ```
/// # use btfgen_core::types::essential_len;
/// assert_eq!(essential_len(b"task_struct___old"), "task_struct".len());
/// assert_eq!(essential_len(b"a___b___c"), "a___b".len());
/// assert_eq!(essential_len(b"a____b"), "a____b".len());
/// ```
pub fn essential_len(name: &[u8]) -> usize {
    let separates = |window: &[u8]| {
        window[0] != b'_' && window[1..4].iter().all(|&byte| byte == b'_') && window[4] != b'_'
    };
    // Nearly no name has three underscores in a row.
    if memchr::memmem::find(name, b"___").is_none() {
        return name.len();
    }
    name.windows(5).rposition(separates).map_or(name.len(), |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separates_at_the_last_flavor() {
        let check = |name: &str, expect: &str| {
            assert_eq!(&name[..essential_len(name.as_bytes())], expect, "{name}");
        };
        check("", "");
        check("a", "a");
        check("task_struct", "task_struct");
        check("task_struct___x", "task_struct");
        check("a___b___c", "a___b");
        check("___a", "___a");
        check("a___", "a___");
        check("a____b", "a____b");
        check("a_____b", "a_____b");
        check("a___b____c", "a");
    }

    #[test]
    fn stores_each_name_once_with_its_essential_name() {
        let mut names = Names::new();
        let flavored = names.add(b"foo___v2");
        let plain = names.add(b"foo");
        assert_eq!(names.essential(flavored), plain);
        assert_eq!(names.essential(plain), plain);
        assert_eq!(names.add(b"foo___v2"), flavored);
        assert_eq!(names.get(flavored), b"foo___v2");
        assert_eq!(names.find(b"bar"), None);
        assert_eq!(names.find(b""), Some(Name::EMPTY));
    }
}
