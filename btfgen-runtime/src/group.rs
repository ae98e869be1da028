//! Group: minimized BTFs stored as their distinct definitions, and one of them put together.
//!
//! A **slot** stands for one type of all the group's BTFs: one kind, one name, and the definitions that the type has
//! among them, each stored once. A definition refers to other types by their slots, so that a change in one leaves
//! those that contain it as they are. The slot's **timeline** says which definition each BTF has, if any.

use crate::wire::{self, BIG, COLUMNS, MAX_ENTRIES, Record, Word};

/// Length of BTF's header in bytes.
const HEADER_LEN: u32 = 24;
/// Magic number (16 bits), version 1 and flags 0 (8 bits each) of a little-endian BTF.
const FIRST_WORD_LITTLE: u32 = 0x0001_eb9f;
/// The same of a big-endian one.
const FIRST_WORD_BIG: u32 = 0xeb9f_0100;

/// The type that a slot has in one BTF.
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
#[derive(Default)]
struct Types {
    picked: Vec<Picked>,
    /// The words of all entries.
    words: Vec<u32>,
    /// The id of each slot's type, by the slot's number; 0 for none.
    ids: Vec<u32>,
}

/// Puts one BTF of a decoded group together: `number` counts from 0 and is below `btfs`, the number of BTFs in it.
///
/// `None` when the group is not well-formed.
#[inline(never)]
pub(crate) fn assemble(group: &[u8], btfs: usize, number: usize) -> Option<Vec<u8>> {
    let (&byte_order, rest) = group.split_first()?;
    let [texts, kinds, counts, infos, heads, names, types, numbers, timelines] = columns(rest)?;
    if texts.last().is_some_and(|last| *last != 0) || byte_order > BIG {
        return None;
    }
    let defined = Defined { counts, infos, heads, names, types, numbers, timelines };
    defined.types_of(kinds, btfs, number)?.emit(texts, byte_order == BIG)
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
    let len = usize::try_from(take(rest)?).ok()?;
    let (column, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(column)
}

/// Takes a varint; most are one byte.
#[inline(never)]
fn take(column: &mut &[u8]) -> Option<u32> {
    match **column {
        [byte, ref rest @ ..] if byte < 0x80 => {
            *column = rest;
            Some(u32::from(byte))
        }
        _ => wire::take_varint(column),
    }
}

/// Passes over so many varints: each ends with a byte whose high bit is clear.
#[inline(never)]
fn skip(column: &mut &[u8], mut count: u32) -> Option<()> {
    while count >= 8
        && let Some((chunk, rest)) = column.split_first_chunk()
    {
        count -= (!u64::from_ne_bytes(*chunk) & 0x8080_8080_8080_8080).count_ones();
        *column = rest;
    }
    while count > 0 {
        let (byte, rest) = column.split_first()?;
        count -= u32::from(*byte < 0x80);
        *column = rest;
    }
    Some(())
}

/// The columns that are read slot by slot and definition by definition.
struct Defined<'a> {
    counts: &'a [u8],
    infos: &'a [u8],
    heads: &'a [u8],
    names: &'a [u8],
    types: &'a [u8],
    numbers: &'a [u8],
    timelines: &'a [u8],
}

impl<'a> Defined<'a> {
    /// The column of the words of entries.
    fn column(&mut self, word: Word) -> &mut &'a [u8] {
        match word {
            Word::Name => &mut self.names,
            Word::Type => &mut self.types,
            Word::Number => &mut self.numbers,
        }
    }

    /// Goes through all definitions, takes those of one BTF and passes over the others.
    #[inline(never)]
    fn types_of(mut self, kinds: &[u8], btfs: usize, number: usize) -> Option<Types> {
        let mut types = Types::default();
        types.ids.push(0);
        let mut name = 0;
        for &kind in kinds {
            let record = wire::record(kind)?;
            name = wire::apply_delta(name, take(&mut self.names)?);
            let wanted = take_state(&mut self.timelines, btfs, number)?;
            let definitions = take(&mut self.counts)?;
            for definition in 1..=definitions {
                let info = take(&mut self.infos)?;
                let entries = if record.single { 1 } else { info >> 1 };
                if entries > MAX_ENTRIES {
                    return None;
                }
                let head = take(if record.head == Word::Type { &mut self.types } else { &mut self.heads })?;
                if definition == wanted {
                    let start = types.words.len();
                    self.take_entries(&record, entries, name, &mut types.words)?;
                    let words = types.words.len() - start;
                    types.picked.push(Picked { kind, name, info, head, words });
                } else {
                    for &word in record.entry {
                        skip(self.column(word), entries)?;
                    }
                }
            }
            if wanted > definitions {
                return None;
            }
            types.ids.push(if wanted > 0 { u32::try_from(types.picked.len()).ok()? } else { 0 });
        }
        let rest =
            [self.counts, self.infos, self.heads, self.names, self.types, self.numbers, self.timelines];
        rest.iter().all(|column| column.is_empty()).then_some(types)
    }

    /// Takes the words of a definition's entries; the first name is stored against the type's own.
    fn take_entries(
        &mut self,
        record: &Record,
        entries: u32,
        mut name: u32,
        words: &mut Vec<u32>,
    ) -> Option<()> {
        let mut before = [0; 3];
        for _ in 0..entries {
            for (&word, before) in record.entry.iter().zip(&mut before) {
                let mut value = take(self.column(word))?;
                if word != Word::Type {
                    let last = if word == Word::Name { &mut name } else { before };
                    value = wire::apply_delta(*last, value);
                    *last = value;
                }
                words.push(value);
            }
        }
        Some(())
    }
}

/// Takes a slot's timeline: which definition one BTF has, from 1; 0 for none.
///
/// Before the first change all BTFs have the first definition.
#[inline(never)]
fn take_state(timelines: &mut &[u8], btfs: usize, number: usize) -> Option<u32> {
    let (mut state, mut at) = (1, 0usize);
    for _ in 0..take(timelines)? {
        at = at.checked_add(usize::try_from(take(timelines)?).ok()?)?;
        let next = take(timelines)?;
        if at >= btfs {
            return None;
        }
        if at <= number {
            state = next;
        }
    }
    Some(state)
}

impl Types {
    /// The id of a slot's type.
    fn id(&self, slot: u32) -> Option<u32> {
        let id = *self.ids.get(usize::try_from(slot).ok()?)?;
        (id != 0 || slot == 0).then_some(id)
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
