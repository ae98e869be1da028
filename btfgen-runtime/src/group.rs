//! Group: minimized BTFs stored as their distinct definitions, and some of them put together.
//!
//! A **slot** stands for one type of all the group's BTFs: one kind, one name, and the definitions that the type has
//! among them. The first is stored whole, each other one as the edits that make it of one before, its **base**. A
//! definition refers to other types by their slots, so that a change in one leaves those that contain it as they are.
//!
//! The BTFs form a tree: each but the first has a **parent** before it. A slot's **timeline** lists the BTFs that have
//! another definition than their parents.

use std::ops::Range;

use crate::wire::{
    self, BIG, COLUMNS, EDITS, Edit, MAX_ENTRIES, MAX_SLOT_WORDS, MAX_STEPS, OFFSET_ROTATION, Record, Word,
    take_varint,
};

/// Length of BTF's header in bytes.
const HEADER_LEN: u32 = 24;
/// Magic number (16 bits), version 1 and flags 0 (8 bits each) of a little-endian BTF.
const FIRST_WORD_LITTLE: u32 = 0x0001_eb9f;
/// The same of a big-endian one.
const FIRST_WORD_BIG: u32 = 0xeb9f_0100;

/// The type that a slot has in one BTF.
#[derive(Clone)]
struct Picked {
    kind: u8,
    name: u32,
    /// `vlen << 1`, and the kind flag below it.
    info: u32,
    head: u32,
    /// How many words of its entries there are.
    words: usize,
}

/// The types of one BTF, in the order of their slots and ids.
#[derive(Clone, Default)]
struct Types {
    picked: Vec<Picked>,
    /// The words of all entries.
    words: Vec<u32>,
    /// The id of each slot's type, by the slot's number less one; 0 for none.
    ids: Vec<u32>,
}

/// Puts BTFs of a decoded group together, those of the numbers `wanted`, of the `btfs` that are in it.
///
/// `None` when the group is not well-formed, or for a BTF that refers to what it does not have.
#[inline(never)]
pub(crate) fn assemble(group: &[u8], btfs: usize, wanted: Range<usize>) -> Option<Vec<Option<Vec<u8>>>> {
    let (&byte_order, rest) = group.split_first()?;
    let [texts, edits, t0, t1, parents, timelines, n0, n1, counts, infos, u0, u1, h0, h1, kinds] =
        columns(rest)?;
    let words = [t0, t1, n0, n1, u0, u1, h0, h1];
    let unfit = texts.last().is_some_and(|last| *last != 0) || byte_order > BIG;
    if unfit || btfs.checked_mul(timelines.len())? > MAX_STEPS {
        return None;
    }
    let parents = take_parents(parents, btfs)?;
    let (newest_name, name) = (0, 0);
    let mut reader = Reader { parents, infos, timelines, counts, edits, words, newest_name, name };
    let types = reader.types_of(kinds, wanted)?;
    Some(types.iter().map(|types| types.emit(texts, byte_order == BIG)).collect())
}

/// The columns, each after its length.
#[inline(never)]
fn columns(mut rest: &[u8]) -> Option<[&[u8]; COLUMNS]> {
    let mut columns = [rest; COLUMNS];
    for column in &mut columns {
        *column = take_column(&mut rest)?;
    }
    rest.is_empty().then_some(columns)
}

#[inline(never)]
fn take_column<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(take_varint(rest)?).ok()?;
    let (column, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(column)
}

/// The number of each BTF's parent; the first one's is its own.
#[inline(never)]
fn take_parents(mut column: &[u8], btfs: usize) -> Option<Vec<usize>> {
    let mut parents = vec![0];
    for at in 1..btfs {
        let between = usize::try_from(take_varint(&mut column)?).ok()?;
        parents.push(at.checked_sub(between)?.checked_sub(1)?);
    }
    column.is_empty().then_some(parents)
}

/// The columns of the words of definitions, two of each: those of the definitions that are stored whole, then the others'.
const FIRST: usize = 0;
const OTHER: usize = 1;
const TYPES: usize = 0;
const NAMES: usize = 2;
const NUMBERS: usize = 4;
const HEADS: usize = 6;

/// The group's columns, read slot by slot.
struct Reader<'a> {
    parents: Vec<usize>,
    infos: &'a [u8],
    timelines: &'a [u8],
    counts: &'a [u8],
    edits: &'a [u8],
    words: [&'a [u8]; 8],
    /// The last name that was new.
    newest_name: u32,
    /// The last name that is not empty.
    name: u32,
}

/// A definition: `vlen << 1` and the kind flag below it, the head, and where its words are.
type Definition = (u32, u32, Range<usize>);

/// A slot's definitions.
#[derive(Default)]
struct Slot {
    definitions: Vec<Definition>,
    words: Vec<u32>,
    /// The base of each but the first, from 1.
    bases: Vec<usize>,
    /// For each BTF the definition that it has if that is another than its parent's, from 1; 0 for none, or [`SAME`].
    changed: Vec<usize>,
    /// The BTFs that have another.
    changes: Vec<usize>,
    /// The definitions that the wanted BTFs have, from 1; 0 for none.
    states: Vec<usize>,
    /// Which definitions are to be put together.
    needed: Vec<bool>,
}

/// Stands for a definition that is the parent's.
const SAME: usize = usize::MAX;

impl Reader<'_> {
    /// Goes through all slots and gathers the types of the BTFs that are wanted.
    #[inline(never)]
    fn types_of(&mut self, kinds: &[u8], wanted: Range<usize>) -> Option<Vec<Types>> {
        let mut types = vec![Types::default(); wanted.len()];
        let mut slot = Slot { changed: vec![SAME; self.parents.len()], ..Slot::default() };
        for &kind in kinds {
            let record = wire::record(kind)?;
            let name = self.take_name(FIRST)?;
            self.take_timeline(&mut slot)?;
            slot.states.clear();
            for at in wanted.clone() {
                slot.states.push(self.state(&slot, at)?);
            }
            self.take_definitions(&record, &mut slot)?;
            for (types, state) in types.iter_mut().zip(&slot.states) {
                let mut id = 0;
                if let Some(definition) = state.checked_sub(1) {
                    let (info, head, words) = slot.definitions.get(definition)?.clone();
                    let words = slot.words.get(words)?;
                    types.words.extend_from_slice(words);
                    types.picked.push(Picked { kind, name, info, head, words: words.len() });
                    id = u32::try_from(types.picked.len()).ok()?;
                }
                types.ids.push(id);
            }
        }
        let rest = [self.infos, self.timelines, self.counts, self.edits];
        rest.iter().chain(&self.words).all(|column| column.is_empty()).then_some(types)
    }

    #[inline(never)]
    fn take(&mut self, column: usize) -> Option<u32> {
        take_varint(self.words.get_mut(column)?)
    }

    /// Takes a name: the next new one, the empty one, or a known one.
    #[inline(never)]
    fn take_name(&mut self, columns: usize) -> Option<u32> {
        match self.take(columns + NAMES)? {
            0 => {
                self.newest_name = self.newest_name.wrapping_add(1);
                self.name = self.newest_name;
            }
            1 => return Some(0),
            known => self.name = wire::apply_delta(self.name, known - 2),
        }
        Some(self.name)
    }

    /// Takes a timeline: which BTFs have another definition than their parents, and the bases of those that are new in it.
    #[inline(never)]
    fn take_timeline(&mut self, slot: &mut Slot) -> Option<()> {
        slot.bases.clear();
        for at in slot.changes.drain(..) {
            *slot.changed.get_mut(at)? = SAME;
        }
        let mut at = 0;
        for change in 0..take_varint(&mut self.timelines)? {
            let unchanged = usize::try_from(take_varint(&mut self.timelines)?).ok()?;
            at = unchanged.checked_add(at)?.checked_add(usize::from(change > 0))?;
            let last = slot.bases.len() + 1;
            let state = match take_varint(&mut self.timelines)? {
                0 => {
                    let parent = *self.parents.get(at)?;
                    let base = if parent == at { 1 } else { self.state(slot, parent)? };
                    slot.bases.push(if base > 0 { base } else { last });
                    last + 1
                }
                known => usize::try_from(known - 1).ok().filter(|&known| known <= last)?,
            };
            *slot.changed.get_mut(at)? = state;
            slot.changes.push(at);
        }
        Some(())
    }

    /// Which definition of a slot a BTF has, from 1; 0 for none.
    ///
    /// It is its parent's unless there is a change; the first one's parent would have the first.
    #[inline(never)]
    fn state(&self, slot: &Slot, mut at: usize) -> Option<usize> {
        loop {
            let state = *slot.changed.get(at)?;
            let parent = *self.parents.get(at)?;
            if state != SAME {
                return Some(state);
            }
            if parent == at {
                return Some(1);
            }
            at = parent;
        }
    }

    /// Takes the definitions of a slot that are wanted, and those that they are made of; the others are passed over.
    #[inline(never)]
    fn take_definitions(&mut self, record: &Record, slot: &mut Slot) -> Option<()> {
        slot.definitions.clear();
        slot.words.clear();
        slot.needed.clear();
        slot.needed.resize(slot.bases.len() + 2, false);
        for &state in &slot.states {
            *slot.needed.get_mut(state)? = true;
        }
        for (at, &base) in slot.bases.iter().enumerate().rev() {
            if *slot.needed.get(at + 2)? {
                *slot.needed.get_mut(base)? = true;
            }
        }
        let info = take_varint(&mut self.infos)?;
        let entries = if record.single { 1 } else { info >> 1 };
        if entries > MAX_ENTRIES {
            return None;
        }
        let head = self.take(FIRST + if record.head == Word::Type { TYPES } else { HEADS })?;
        for _ in 0..entries {
            self.take_entry(record, FIRST, &mut slot.words, 0)?;
        }
        slot.definitions.push((info, head, 0..slot.words.len()));
        for (at, &base) in slot.bases.iter().enumerate() {
            let base = slot.definitions.get(base - 1)?.clone();
            let definition = self.take_edited(record, base, *slot.needed.get(at + 2)?, &mut slot.words)?;
            if slot.words.len() > MAX_SLOT_WORDS {
                return None;
            }
            slot.definitions.push(definition);
        }
        Some(())
    }

    /// Takes an entry; numbers are stored against the one before in the definition that starts at `start`.
    #[inline(never)]
    fn take_entry(
        &mut self,
        record: &Record,
        columns: usize,
        words: &mut Vec<u32>,
        start: usize,
    ) -> Option<()> {
        for &word in record.entry {
            let value = match word {
                Word::Name => self.take_name(columns)?,
                Word::Type => self.take(columns + TYPES)?,
                Word::Offset | Word::Number => {
                    let before = words.get(start..)?.iter().nth_back(record.entry.len() - 1);
                    wire::apply_delta(before.copied().unwrap_or(0), self.take(columns + NUMBERS)?)
                }
            };
            words.push(value);
        }
        Some(())
    }

    /// Takes the edits that make a definition of its base, and appends its words if it is `needed`.
    #[inline(never)]
    fn take_edited(
        &mut self,
        record: &Record,
        base: Definition,
        needed: bool,
        words: &mut Vec<u32>,
    ) -> Option<Definition> {
        let (info, head, base) = base;
        let width = record.entry.len();
        let start = words.len();
        let mut copied = Copied { from: base, added: [0; 3], needed };
        let count = take_varint(&mut self.counts)?;
        if width == 0 && count > 1 {
            return None;
        }
        for _ in 0..count >> 1 {
            let edit = take_varint(&mut self.edits)?;
            copied.entries(edit / EDITS, record, words)?;
            match Edit::of(edit % EDITS) {
                Edit::Insert => self.take_entry(record, OTHER, words, start)?,
                Edit::Remove => copied.from.start += width,
                Edit::Change(at) => {
                    let word = record.entry.get(at)?;
                    let from = if needed { *words.get(copied.from.clone())?.get(at)? } else { 0 };
                    let added = copied.added.get_mut(at)?;
                    *added = match word {
                        Word::Name => self.take_name(OTHER)?.wrapping_sub(from),
                        Word::Type => self.take(OTHER + TYPES)?.wrapping_sub(from),
                        Word::Offset | Word::Number => wire::apply_delta(*added, self.take(OTHER + NUMBERS)?),
                    };
                }
            }
        }
        let head = match record.head {
            Word::Type => self.take(OTHER + TYPES)?,
            _ => wire::apply_delta(wire::grown(record, head, copied.added), self.take(OTHER + HEADS)?),
        };
        if !needed {
            words.truncate(start);
            return Some((0, head, start..start));
        }
        let left = copied.from.end.checked_sub(copied.from.start)?.checked_div(width).unwrap_or(0);
        copied.entries(u32::try_from(left).ok()?, record, words)?;
        let entries = u32::try_from((words.len() - start).checked_div(width).unwrap_or(0)).ok()?;
        let vlen = if record.single || width == 0 { info >> 1 } else { entries };
        let fits = entries <= MAX_ENTRIES && !(record.single && entries != 1);
        fits.then_some((vlen << 1 | (info ^ count) & 1, head, start..words.len()))
    }
}

/// A base that is being copied: what is left of it, and what is added to each word of an entry.
struct Copied {
    from: Range<usize>,
    added: [u32; 3],
    needed: bool,
}

impl Copied {
    /// Copies entries; what is added to a name or type counts once, what is added to a number goes on.
    #[inline(never)]
    fn entries(&mut self, count: u32, record: &Record, words: &mut Vec<u32>) -> Option<()> {
        if !self.needed {
            return Some(());
        }
        for _ in 0..count {
            for (&word, added) in record.entry.iter().zip(&mut self.added) {
                let from = words.get(self.from.next()?)?;
                words.push(from.wrapping_add(*added));
                if matches!(word, Word::Name | Word::Type) {
                    *added = 0;
                }
            }
        }
        Some(())
    }
}

impl Types {
    /// The id of a slot's type.
    fn id(&self, slot: u32) -> Option<u32> {
        let Some(slot) = usize::try_from(slot).ok()?.checked_sub(1) else { return Some(0) };
        self.ids.get(slot).copied().filter(|id| *id != 0)
    }

    /// Writes the BTF: header, types, strings in the order of their first use.
    #[inline(never)]
    fn emit(&self, texts: &[u8], big: bool) -> Option<Vec<u8>> {
        let mut strings = Strings::new(texts);
        let len = (self.picked.len() * 3 + self.words.len()) * 4;
        let mut out = Vec::with_capacity(len + HEADER_LEN as usize + texts.len() + 1);
        let len = u32::try_from(len).ok()?;
        let first_word = if big { FIRST_WORD_BIG } else { FIRST_WORD_LITTLE };
        for word in [first_word, HEADER_LEN, 0, len, len, 0] {
            push(&mut out, word, big);
        }
        let mut words = self.words.as_slice();
        for picked in &self.picked {
            let record = wire::record(picked.kind)?;
            let info = (picked.info & 1) << 31 | u32::from(picked.kind) << 24 | picked.info >> 1;
            let head = if record.head == Word::Type { self.id(picked.head)? } else { picked.head };
            for word in [strings.offset(picked.name)?, info, head] {
                push(&mut out, word, big);
            }
            let (own, rest) = words.split_at_checked(picked.words)?;
            words = rest;
            for (&value, word) in own.iter().zip(record.entry.iter().cycle()) {
                let value = match word {
                    Word::Name => strings.offset(value)?,
                    Word::Type => self.id(value)?,
                    Word::Offset => value.rotate_left(OFFSET_ROTATION),
                    Word::Number => value,
                };
                push(&mut out, value, big);
            }
        }
        let strings_len = u32::try_from(strings.used.len()).ok()?;
        let strings_len = if big { strings_len.to_be_bytes() } else { strings_len.to_le_bytes() };
        out.get_mut(20..24)?.copy_from_slice(&strings_len);
        out.append(&mut strings.used);
        Some(out)
    }
}

/// Appends a word in a byte order.
#[inline(never)]
fn push(out: &mut Vec<u8>, word: u32, big: bool) {
    out.extend_from_slice(&if big { word.to_be_bytes() } else { word.to_le_bytes() });
}

/// A BTF's strings, taken from the group's as they are used.
struct Strings<'a> {
    texts: Vec<&'a [u8]>,
    offsets: Vec<u32>,
    used: Vec<u8>,
}

impl<'a> Strings<'a> {
    fn new(texts: &'a [u8]) -> Self {
        let texts: Vec<&[u8]> = texts.split_inclusive(|byte| *byte == 0).collect();
        Self { offsets: vec![0; texts.len()], texts, used: vec![0] }
    }

    /// The offset of a text by its number, from 1; the empty text is 0 and stands first.
    #[inline(never)]
    fn offset(&mut self, name: u32) -> Option<u32> {
        let Some(number) = usize::try_from(name).ok()?.checked_sub(1) else { return Some(0) };
        let offset = self.offsets.get_mut(number)?;
        if *offset == 0 {
            *offset = u32::try_from(self.used.len()).ok()?;
            self.used.extend_from_slice(self.texts.get(number)?);
        }
        Some(*offset)
    }
}
