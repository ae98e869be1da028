//! Lineage: the BTFs of a group as a tree in which each differs little from its parent.
//!
//! Which tree it is does not matter to a reader. Releases of one kernel follow each other, and its flavours follow
//! side by side, so that a tree says with fewer changes than a sequence which BTF has which definition.

use super::slots::Slot;
use crate::memo::Memo;

/// The order and the tree of a group's BTFs.
pub(super) struct Lineage {
    /// Which BTF stands at each place; parents stand before their children.
    pub(super) order: Vec<usize>,
    /// For each place that of the parent; the first one's is its own.
    pub(super) parents: Vec<usize>,
}

impl Lineage {
    /// A tree with the fewest changes of definitions between parents and children, from the first BTF on.
    pub(super) fn new(slots: &[Slot], btfs: usize) -> Self {
        let mut lineage = Self { order: Vec::with_capacity(btfs), parents: Vec::with_capacity(btfs) };
        let mut children = vec![Vec::new(); btfs];
        for (at, parent) in nearest(slots, btfs).into_iter().enumerate().skip(1) {
            children[parent].push(at);
        }
        // Children before siblings, so that what is alike lies side by side.
        let mut next = if btfs == 0 { Vec::new() } else { vec![(0, 0)] };
        while let Some((btf, parent)) = next.pop() {
            let place = lineage.order.len();
            lineage.order.push(btf);
            lineage.parents.push(parent);
            next.extend(children[btf].iter().rev().map(|&child| (child, place)));
        }
        lineage
    }

    /// Which definition a slot has at each place, from 1 and numbered by first use; 0 for none.
    pub(super) fn states(&self, slot: &Slot) -> (Vec<usize>, Vec<usize>) {
        let mut numbers = vec![0; slot.definitions.len() + 1];
        let mut used = Vec::new();
        let states = dense(slot, self.order.len());
        let state = |&btf: &usize| {
            let state = states[btf] as usize;
            if state != 0 && numbers[state] == 0 {
                used.push(state - 1);
                numbers[state] = used.len();
            }
            numbers[state]
        };
        (self.order.iter().map(state).collect(), used)
    }
}

/// For each BTF the one that is its parent in a minimum spanning tree (Prim's algorithm from the first on).
fn nearest(slots: &[Slot], btfs: usize) -> Vec<usize> {
    let (rows, weights) = rows(slots, btfs);
    let distance = |a: usize, b: usize| -> u32 {
        let pairs = rows[a].iter().zip(&rows[b]).zip(&weights);
        pairs.map(|((a, b), weight)| if a == b { 0 } else { *weight }).sum()
    };
    let mut parents = vec![0; btfs];
    // What is not in the tree yet, with the distance to it.
    let mut left: Vec<(usize, u32)> = (1..btfs).map(|btf| (btf, u32::MAX)).collect();
    let mut last = 0;
    while !left.is_empty() {
        let mut least = 0;
        for at in 0..left.len() {
            let (btf, known) = left[at];
            let new = distance(last, btf);
            if new < known {
                left[at].1 = new;
                parents[btf] = last;
            }
            if left[at].1 < left[least].1 {
                least = at;
            }
        }
        // Not `swap_remove`: of equally near ones the first comes first.
        last = left.remove(least).0;
    }
    parents
}

/// Per BTF the definitions that it has, each column once however many slots change alike; and how many do.
fn rows(slots: &[Slot], btfs: usize) -> (Vec<Vec<u32>>, Vec<u32>) {
    let mut columns: Memo<Vec<u32>, usize> = Memo::default();
    let (mut rows, mut weights) = (vec![Vec::new(); btfs], Vec::new());
    for slot in slots {
        let states = dense(slot, btfs);
        if states.iter().all(|state| *state == states[0]) {
            continue;
        }
        if let Some(&column) = columns.get(&states) {
            weights[column] += 1;
            continue;
        }
        rows.iter_mut().zip(&states).for_each(|(row, &state)| row.push(state));
        columns.insert(states, weights.len());
        weights.push(1);
    }
    (rows, weights)
}

/// Which definition each BTF has, from 1; 0 for none.
fn dense(slot: &Slot, btfs: usize) -> Vec<u32> {
    let mut states = vec![0; btfs];
    for &(btf, definition) in &slot.uses {
        states[btf] = definition as u32;
    }
    states
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_has_the_fewest_changes() {
        let check = |columns: &[&[usize]], order: &[usize], parents: &[usize]| {
            let slot = |states: &&[usize]| Slot {
                kind: 1,
                name: 0,
                definitions: Vec::new(),
                uses: states.iter().copied().enumerate().filter(|(_, state)| *state != 0).collect(),
            };
            let slots: Vec<Slot> = columns.iter().map(slot).collect();
            let lineage = Lineage::new(&slots, columns.first().map_or(0, |column| column.len()));
            assert_eq!((lineage.order.as_slice(), lineage.parents.as_slice()), (order, parents));
        };
        check(&[], &[], &[]);
        check(&[&[1]], &[0], &[0]);
        // Two flavours by turns: the second flavour's are children of each other.
        check(&[&[1, 2, 1, 2, 1], &[1, 0, 1, 0, 1], &[1, 1, 2, 2, 3]], &[0, 1, 3, 2, 4], &[0, 0, 1, 0, 0]);
    }
}
