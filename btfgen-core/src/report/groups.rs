//! Groups: kernels with an equal key, such as their outcomes.

use std::hash::Hash;

use crate::memo::Memo;

/// The indices below `kernels` by groups with an equal key, in the order of their first kernels.
pub(super) fn groups<K: Hash + Eq>(kernels: usize, key: impl Fn(usize) -> K) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut known: Memo<K, usize> = Memo::default();
    for kernel in 0..kernels {
        let group = *known.entry(key(kernel)).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[group].push(kernel);
    }
    groups
}
