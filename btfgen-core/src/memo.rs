//! Memo: hash maps with a fixed hash, and tables that store each distinct value once and give it an id.

use std::collections::HashMap;
use std::hash::Hash;
use std::marker::PhantomData;
use std::ops::Index;
use std::sync::Arc;

use foldhash::fast::FixedState;

/// A map for results that are computed once. Its order is never shown.
pub(crate) type Memo<K, V> = HashMap<K, V, FixedState>;

/// The id of a table's entry: an index with a type of its own.
pub(crate) trait Id: Copy {
    /// The id of the entry at an index.
    fn new(index: usize) -> Self;

    /// The entry's index.
    fn index(self) -> usize;
}

/// Declares types of ids.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(u32);

        impl $crate::memo::Id for $name {
            fn new(index: usize) -> Self {
                Self(index as u32)
            }

            fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

pub(crate) use ids;

/// Distinct values, with ids in the order in which they are first added.
#[derive(Debug)]
pub(crate) struct Distinct<I, T> {
    values: Vec<Arc<T>>,
    ids: Memo<Arc<T>, usize>,
    id: PhantomData<I>,
}

impl<I, T> Default for Distinct<I, T> {
    fn default() -> Self {
        Self { values: Vec::new(), ids: Memo::default(), id: PhantomData }
    }
}

impl<I: Id, T: Hash + Eq> Distinct<I, T> {
    /// The id of a value, which is added if it is new.
    pub(crate) fn id(&mut self, value: impl Into<Arc<T>>) -> I {
        let Self { values, ids, .. } = self;
        let id = ids.entry(value.into()).or_insert_with_key(|value| {
            values.push(Arc::clone(value));
            values.len() - 1
        });
        I::new(*id)
    }

    /// The values, by id.
    pub(crate) fn values(&self) -> &[Arc<T>] {
        &self.values
    }
}

impl<I: Id, T> Index<I> for Distinct<I, T> {
    type Output = T;

    fn index(&self, id: I) -> &T {
        &self.values[id.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    ids! {
        /// The id of a word.
        WordId;
    }

    #[test]
    fn equal_values_have_one_id() {
        let mut words: Distinct<WordId, String> = Distinct::default();
        let ids = ["one", "two", "one", "two", "three"].map(|word| words.id(word.to_owned()).index());
        assert_eq!(ids, [0, 1, 0, 1, 2]);
        assert_eq!(words[WordId::new(2)], "three");
        assert_eq!(words.values().len(), 3);
    }
}
