//! Memo: maps for what is worked out once, the same in every run.

use foldhash::fast::FixedState;

/// A map for what is worked out once; its order is never shown.
pub(crate) type Memo<K, V> = std::collections::HashMap<K, V, FixedState>;

/// What is known of things by where they lie in memory, in the order in which they are met; they must stay there as long
/// as this is used.
///
/// A look-up in a hash map is dozens of calls, which are not inlined in a build script, since that is compiled without
/// optimization; this takes a tenth, where it is done hundreds of thousands of times.
#[derive(Debug, Clone)]
pub(crate) struct Placed<T> {
    pub(crate) all: Vec<T>,
    /// Addresses with the numbers of what is known, a power of two of them and at most half of them in use; address 0
    /// where none is.
    slots: Vec<(usize, u32)>,
}

impl<T> Default for Placed<T> {
    fn default() -> Self {
        Self { all: Vec::new(), slots: Vec::new() }
    }
}

impl<T> Placed<T> {
    /// The number of what is known of the thing there; if it is met for the first time, `make` tells.
    pub(crate) fn number<P>(&mut self, place: *const P, make: impl FnOnce() -> T) -> u32 {
        if 2 * self.all.len() >= self.slots.len() {
            self.grow();
        }
        let place = place.addr();
        let slots = self.slots.as_mut_slice();
        let at = slot(slots, place);
        if slots[at].0 != place {
            slots[at] = (place, self.all.len() as u32);
            self.all.push(make());
        }
        slots[at].1
    }

    /// What is known of the thing there; if it is met for the first time, `make` tells.
    pub(crate) fn get<P>(&mut self, place: *const P, make: impl FnOnce() -> T) -> &mut T {
        let number = self.number(place, make);
        &mut self.all[number as usize]
    }

    fn grow(&mut self) {
        let mut slots = vec![(0, 0); (2 * self.slots.len()).max(64)];
        for &(place, number) in &self.slots {
            if place != 0 {
                let at = slot(&slots, place);
                slots[at] = (place, number);
            }
        }
        self.slots = slots;
    }
}

/// Where an address stands, or is to stand.
fn slot(slots: &[(usize, u32)], place: usize) -> usize {
    let last = slots.len() - 1;
    // The golden ratio's bits; the upper half of the product depends on all bits of the address.
    let mut at = ((place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & last;
    while slots[at].0 != 0 && slots[at].0 != place {
        at = (at + 1) & last;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_a_number() {
        let things = vec![0u64; 10_000];
        let mut placed = Placed::default();
        for (number, thing) in things.iter().enumerate() {
            assert_eq!(placed.number(thing, || number), number as u32);
            let known = number / 2;
            assert_eq!(*placed.get(&things[known], || unreachable!()), known);
        }
    }
}
