//! Columns: a group's slots, definitions and timelines as the columns that `btfgen_runtime` reads.

use std::collections::VecDeque;

use btfgen_runtime::wire::{self, COLUMNS, EDITS, Edit, Record, Word};

use super::lineage::Lineage;
use super::slots::{Definition, Slot, Slots, ascending};
use crate::memo::Memo;

/// The columns of the words of definitions: heads, names, types, numbers.
#[derive(Default)]
struct Words {
    heads: Vec<u8>,
    names: Vec<u8>,
    types: Vec<u8>,
    numbers: Vec<u8>,
}

/// Which of the two sets of columns a word goes to.
#[derive(Clone, Copy)]
enum Of {
    /// Definitions that are stored whole.
    First,
    /// The others.
    Other,
}

/// The columns of a group, being written.
pub(super) struct Columns<'a> {
    slots: &'a Slots,
    lineage: &'a Lineage,
    /// For each slot its number, from 1, in the order of all.
    places: Vec<u32>,
    /// For each name its number in the order of first use; 0 as long as it has none, and for the empty one.
    used: Vec<u32>,
    used_count: u32,
    /// The last name that is not empty.
    name: u32,
    texts: Vec<u8>,
    kinds: Vec<u8>,
    infos: Vec<u8>,
    timelines: Vec<u8>,
    counts: Vec<u8>,
    edits: Vec<u8>,
    first: Words,
    others: Words,
}

impl<'a> Columns<'a> {
    /// Writes the slots in this order.
    pub(super) fn new(slots: &'a Slots, order: &[usize], lineage: &'a Lineage) -> Self {
        let mut places = vec![0; slots.slots.len()];
        for (&slot, place) in order.iter().zip(1..) {
            places[slot] = place;
        }
        let mut columns = Self {
            slots,
            lineage,
            places,
            used: vec![0; slots.texts.len()],
            used_count: 0,
            name: 0,
            texts: Vec::new(),
            kinds: Vec::new(),
            infos: Vec::new(),
            timelines: Vec::new(),
            counts: Vec::new(),
            edits: Vec::new(),
            first: Words::default(),
            others: Words::default(),
        };
        for &slot in order {
            columns.slot(&slots.slots[slot]);
        }
        columns
    }

    /// Length of the timelines in bytes.
    pub(super) fn timelines_len(&self) -> usize {
        self.timelines.len()
    }

    /// The decoded group, and where in it the texts end.
    pub(super) fn finish(self, byte_order: u8) -> (Vec<u8>, usize) {
        let mut parents = Vec::new();
        for (at, parent) in self.lineage.parents.iter().enumerate().skip(1) {
            push(&mut parents, (at - parent - 1) as u32);
        }
        let Self { texts, kinds, infos, timelines, counts, edits, first, others, .. } = self;
        let columns: [Vec<u8>; COLUMNS] = [
            texts,
            edits,
            first.types,
            others.types,
            parents,
            timelines,
            first.names,
            others.names,
            counts,
            infos,
            first.numbers,
            others.numbers,
            first.heads,
            others.heads,
            kinds,
        ];
        let mut raw = vec![byte_order];
        let mut texts_end = 0;
        for (at, column) in columns.into_iter().enumerate() {
            push(&mut raw, column.len() as u32);
            raw.extend(column);
            if at == 0 {
                texts_end = raw.len();
            }
        }
        (raw, texts_end)
    }

    fn slot(&mut self, slot: &Slot) {
        let Some(record) = wire::record(slot.kind) else { return };
        let (states, definitions) = self.lineage.states(slot);
        let Some((&first, others)) = definitions.split_first() else { return };
        self.kinds.push(slot.kind);
        self.push_name(Of::First, slot.name);
        let bases = self.timeline(&states);
        self.whole(&record, &slot.definitions[first]);
        for (&other, base) in others.iter().zip(bases) {
            self.edited(&record, &slot.definitions[definitions[base - 1]], &slot.definitions[other]);
        }
    }

    /// Appends which BTFs have another definition than their parents; returned is, for each definition but the first,
    /// the one that it is made of, from 1.
    fn timeline(&mut self, states: &[usize]) -> Vec<usize> {
        let (mut changes, mut count, mut unchanged) = (Vec::new(), 0, 0);
        let mut bases = Vec::new();
        for (at, &state) in states.iter().enumerate() {
            let before = if at == 0 { 1 } else { states[self.lineage.parents[at]] };
            if state == before {
                unchanged += 1;
                continue;
            }
            push(&mut changes, unchanged);
            (unchanged, count) = (0, count + 1);
            let last = bases.len() + 1;
            if state > last {
                push(&mut changes, 0);
                bases.push(if before > 0 { before } else { last });
            } else {
                push(&mut changes, state as u32 + 1);
            }
        }
        push(&mut self.timelines, count);
        self.timelines.extend(changes);
        bases
    }

    /// Appends a definition.
    fn whole(&mut self, record: &Record, definition: &Definition) {
        push(&mut self.infos, definition.info);
        match record.head {
            Word::Type => self.push_type(Of::First, definition.head),
            _ => push(&mut self.first.heads, definition.head),
        }
        let mut before: &[u32] = &[];
        for entry in definition.entries(record) {
            self.push_entry(Of::First, record, before, entry);
            before = entry;
        }
    }

    /// Appends what makes a definition of another.
    fn edited(&mut self, record: &Record, base: &Definition, definition: &Definition) {
        let kept = kept(record, base, definition);
        let old: Vec<&[u32]> = base.entries(record).collect();
        let (mut at, mut added, mut before) = (0, [0; 3], [].as_slice());
        let mut edits = Edits::default();
        for (entry, kept) in definition.entries(record).zip(kept) {
            match kept {
                None => {
                    edits.push(Edit::Insert);
                    self.push_entry(Of::Other, record, before, entry);
                }
                Some(kept) => {
                    (at..kept).for_each(|_| edits.push(Edit::Remove));
                    self.change(record, old[kept], entry, &mut added, &mut edits);
                    edits.copied += 1;
                    at = kept + 1;
                }
            }
            before = entry;
        }
        (at..old.len()).for_each(|_| edits.push(Edit::Remove));
        push(&mut self.counts, edits.count << 1 | (base.info ^ definition.info) & 1);
        self.edits.extend(edits.bytes);
        match record.head {
            Word::Type => self.push_type(Of::Other, definition.head),
            _ => {
                let grown = wire::grown(record, base.head, added);
                push(&mut self.others.heads, wire::delta(grown, definition.head));
            }
        }
    }

    /// Appends what makes an entry of another; `added` is what the numbers before have been shifted by.
    fn change(&mut self, record: &Record, old: &[u32], new: &[u32], added: &mut [u32; 3], edits: &mut Edits) {
        for (at, &word) in record.entry.iter().enumerate() {
            let (difference, number) =
                (new[at].wrapping_sub(old[at]), matches!(word, Word::Offset | Word::Number));
            if difference == if number { added[at] } else { 0 } {
                continue;
            }
            edits.push(Edit::Change(at));
            match word {
                Word::Name => self.push_name(Of::Other, new[at]),
                Word::Type => self.push_type(Of::Other, new[at]),
                Word::Offset | Word::Number => {
                    push(&mut self.others.numbers, wire::delta(added[at], difference));
                    added[at] = difference;
                }
            }
        }
    }

    /// Appends an entry, its numbers against those of the one before.
    fn push_entry(&mut self, of: Of, record: &Record, before: &[u32], entry: &[u32]) {
        for (at, (&value, word)) in entry.iter().zip(record.entry).enumerate() {
            match word {
                Word::Name => self.push_name(of, value),
                Word::Type => self.push_type(of, value),
                Word::Offset | Word::Number => {
                    let before = before.get(at).copied().unwrap_or(0);
                    push(&mut self.words(of).numbers, wire::delta(before, value));
                }
            }
        }
    }

    fn push_type(&mut self, of: Of, slot: u32) {
        let place = (slot as usize).checked_sub(1).map_or(0, |slot| self.places[slot]);
        push(&mut self.words(of).types, place);
    }

    /// Appends a name; a new one is written down.
    fn push_name(&mut self, of: Of, name: u32) {
        if name == 0 {
            return push(&mut self.words(of).names, 1);
        }
        let used = self.used[name as usize];
        if used != 0 {
            let delta = wire::delta(self.name, used);
            self.name = used;
            return push(&mut self.words(of).names, delta + 2);
        }
        self.used_count += 1;
        self.used[name as usize] = self.used_count;
        self.name = self.used_count;
        self.texts.extend_from_slice(&self.slots.texts[name as usize]);
        self.texts.push(0);
        push(&mut self.words(of).names, 0);
    }

    fn words(&mut self, of: Of) -> &mut Words {
        match of {
            Of::First => &mut self.first,
            Of::Other => &mut self.others,
        }
    }
}

/// The edits of one definition.
#[derive(Default)]
struct Edits {
    bytes: Vec<u8>,
    count: u32,
    /// Entries of the base that are copied before the next edit.
    copied: u32,
}

impl Edits {
    fn push(&mut self, edit: Edit) {
        push(&mut self.bytes, self.copied * EDITS + edit.number());
        self.copied = 0;
        self.count += 1;
    }
}

/// For each entry of a definition the entry of the base that it is made of: those of the same name, as many as stand in
/// the same order; without names those at the same place.
fn kept(record: &Record, base: &Definition, definition: &Definition) -> Vec<Option<usize>> {
    let Some(name) = record.entry.iter().position(|word| *word == Word::Name) else {
        let len = base.entries(record).len();
        return (0..definition.entries(record).len()).map(|at| (at < len).then_some(at)).collect();
    };
    let mut named: Memo<u32, VecDeque<usize>> = Memo::default();
    for (at, entry) in base.entries(record).enumerate() {
        named.entry(entry[name]).or_default().push_back(at);
    }
    let mut kept: Vec<Option<usize>> =
        definition.entries(record).map(|entry| named.get_mut(&entry[name])?.pop_front()).collect();
    let found: Vec<u32> = kept.iter().flatten().map(|&at| at as u32).collect();
    let mut stays = ascending(&found).into_iter();
    for at in &mut kept {
        if at.is_some() && stays.next() == Some(false) {
            *at = None;
        }
    }
    kept
}

fn push(column: &mut Vec<u8>, value: u32) {
    wire::push_varint(column, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_kept_by_name_and_in_order() {
        let kept = |kind: u8, base: &[u32], new: &[u32]| {
            let record = wire::record(kind).unwrap();
            let definition = |names: &[u32]| {
                let width = record.entry.len();
                let words: Vec<u32> = names.iter().flat_map(|&name| vec![name; width]).collect();
                Definition::new(names.len() as u32 * 2, 0, words)
            };
            kept(&record, &definition(base), &definition(new))
        };
        let check = |base: &[u32], new: &[u32], expect: &[Option<usize>]| {
            assert_eq!(kept(4, base, new), expect, "{base:?} {new:?}");
        };
        check(&[], &[1], &[None]);
        check(&[1, 2, 3], &[1, 3], &[Some(0), Some(2)]);
        check(&[1, 2, 3], &[4, 1, 5, 2, 3], &[None, Some(0), None, Some(1), Some(2)]);
        check(&[1, 2, 3], &[2, 3, 1], &[Some(1), Some(2), None]);
        // Nameless members, of which there may be several.
        check(&[0, 7, 0], &[0, 0, 0], &[Some(0), Some(2), None]);
        // A section's entries have no names.
        assert_eq!(kept(15, &[5, 6], &[6, 5, 9]), [Some(0), Some(1), None]);
    }
}
