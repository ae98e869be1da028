//! Group: minimized BTFs stored as their distinct definitions, and one of them put together.
//!
//! A **slot** stands for one type of all the group's BTFs: one kind, one name, and the definitions that the type has
//! among them, each stored once. A definition refers to other types by their slots, so that a change in one leaves
//! those that contain it as they are. The slot's **timeline** says which definition each BTF has, if any.

use crate::wire::{self, BIG, COLUMNS, LITTLE, MAX_ENTRIES, Word};

/// Length of BTF's header in bytes.
const HEADER_LEN: u32 = 24;
/// Magic number (16 bits), version 1 and flags 0 (8 bits each) of a little-endian BTF.
const FIRST_WORD_LITTLE: u32 = 0x0001_eb9f;
/// The same of a big-endian one.
const FIRST_WORD_BIG: u32 = 0xeb9f_0100;

/// The type that a slot has in one BTF.
struct Picked {
    /// The slot's number, from 1.
    slot: u32,
    kind: u8,
    name: u32,
    /// `vlen << 1`, and the kind flag below it.
    info: u32,
    head: u32,
    /// How many words of its entries there are.
    words: usize,
}

/// The types of one BTF, in the order of their slots, and the words of all their entries.
#[derive(Default)]
struct Types {
    picked: Vec<Picked>,
    words: Vec<u32>,
    /// Number of slots in the group.
    slots: usize,
}

/// Puts one BTF of a decoded group together: `number` counts from 0 and is below `btfs`, the number of BTFs in it.
///
/// `None` when the group is not well-formed.
pub(crate) fn assemble(group: &[u8], btfs: usize, number: usize) -> Option<Vec<u8>> {
    let (&byte_order, rest) = group.split_first()?;
    let [texts, kinds, counts, infos, heads, names, types, numbers, timelines, moves] = columns(rest)?;
    if texts.last().is_some_and(|last| *last != 0) {
        return None;
    }
    let defined = Defined { counts, infos, heads, names, types, numbers, timelines };
    let types = defined.types_of(kinds, btfs, number)?;
    let order = take_order(moves, btfs, number, types.picked.len())?;
    match byte_order {
        LITTLE => types.emit(&order, texts, FIRST_WORD_LITTLE, u32::to_le_bytes),
        BIG => types.emit(&order, texts, FIRST_WORD_BIG, u32::to_be_bytes),
        _ => None,
    }
}

/// The columns, of which all but the last have their lengths before them.
fn columns(mut rest: &[u8]) -> Option<[&[u8]; COLUMNS]> {
    let mut lens = [0; COLUMNS - 1];
    for len in &mut lens {
        *len = usize::try_from(take(&mut rest)?).ok()?;
    }
    let mut columns = [rest; COLUMNS];
    for (at, len) in lens.into_iter().enumerate() {
        let (column, tail) = rest.split_at_checked(len)?;
        *columns.get_mut(at)? = column;
        rest = tail;
    }
    *columns.last_mut()? = rest;
    Some(columns)
}

/// Takes a varint; most are one byte.
fn take(column: &mut &[u8]) -> Option<u32> {
    match **column {
        [byte, ref rest @ ..] if byte < 0x80 => {
            *column = rest;
            Some(u32::from(byte))
        }
        _ => wire::take_varint(column),
    }
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

impl Defined<'_> {
    /// Goes through all definitions and keeps those of one BTF.
    fn types_of(mut self, kinds: &[u8], btfs: usize, number: usize) -> Option<Types> {
        let mut types = Types { slots: kinds.len(), ..Types::default() };
        let mut name = 0;
        for (&kind, slot) in kinds.iter().zip(1..) {
            let record = wire::record(kind)?;
            name = wire::apply_delta(name, take(&mut self.names)?);
            let own_name = name;
            let wanted = take_state(&mut self.timelines, btfs, number)?;
            let definitions = take(&mut self.counts)?;
            for definition in 1..=definitions {
                let info = take(&mut self.infos)?;
                let head = take(if record.head == Word::Type { &mut self.types } else { &mut self.heads })?;
                let entries = if record.single { 1 } else { info >> 1 };
                if entries > MAX_ENTRIES {
                    return None;
                }
                let start = types.words.len();
                let mut before = [0; 3];
                for _ in 0..entries {
                    for (word, before) in record.entry.iter().zip(&mut before) {
                        types.words.push(match word {
                            Word::Name => {
                                name = wire::apply_delta(name, take(&mut self.names)?);
                                name
                            }
                            Word::Type => take(&mut self.types)?,
                            Word::Number => {
                                *before = wire::apply_delta(*before, take(&mut self.numbers)?);
                                *before
                            }
                        });
                    }
                }
                if definition == wanted {
                    let words = types.words.len() - start;
                    types.picked.push(Picked { slot, kind, name: own_name, info, head, words });
                } else {
                    types.words.truncate(start);
                }
            }
            if wanted > definitions {
                return None;
            }
        }
        let rest =
            [self.counts, self.infos, self.heads, self.names, self.types, self.numbers, self.timelines];
        rest.iter().all(|column| column.is_empty()).then_some(types)
    }
}

/// Takes a slot's timeline: which definition one BTF has, from 1; 0 for none.
///
/// Before the first change all BTFs have the first definition.
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

/// The order of one BTF's types, as places in the order of slots: that order itself, but for the moves.
fn take_order(mut moves: &[u8], btfs: usize, number: usize, types: usize) -> Option<Vec<usize>> {
    let mut own = Vec::new();
    for btf in 0..btfs {
        for _ in 0..take(&mut moves)? {
            let from = usize::try_from(take(&mut moves)?).ok()?;
            let to = usize::try_from(take(&mut moves)?).ok()?;
            if btf == number {
                own.push((from, to));
            }
        }
    }
    let mut moved = vec![false; types];
    for &(from, _) in &own {
        if std::mem::replace(moved.get_mut(from)?, true) {
            return None;
        }
    }
    let mut staying = (0..types).filter(|&at| moved.get(at) == Some(&false));
    let mut own = own.into_iter().peekable();
    let order = (0..types).map(|place| match own.next_if(|&(_, to)| to == place) {
        Some((from, _)) => Some(from),
        None => staying.next(),
    });
    let order: Vec<usize> = order.collect::<Option<_>>()?;
    (moves.is_empty() && own.next().is_none()).then_some(order)
}

impl Types {
    /// Writes the BTF: header, types in the given order, strings in the order of their first use.
    fn emit(
        &self,
        order: &[usize],
        texts: &[u8],
        first_word: u32,
        bytes: fn(u32) -> [u8; 4],
    ) -> Option<Vec<u8>> {
        let mut starts = Vec::with_capacity(self.picked.len());
        let mut start = 0;
        for picked in &self.picked {
            starts.push(start);
            start += picked.words;
        }
        // Slots to ids; the type void is 0 in both.
        let mut ids = vec![0; self.slots + 1];
        for (&at, id) in order.iter().zip(1u32..) {
            *ids.get_mut(usize::try_from(self.picked.get(at)?.slot).ok()?)? = id;
        }
        let id = |slot: u32| {
            let id = *ids.get(usize::try_from(slot).ok()?)?;
            (id != 0 || slot == 0).then_some(id)
        };
        let mut strings = Strings::new(texts);
        let len = (self.picked.len() * 3 + self.words.len()) * 4;
        let mut out = Vec::with_capacity(len + HEADER_LEN as usize + texts.len() + 1);
        let len = u32::try_from(len).ok()?;
        for word in [first_word, HEADER_LEN, 0, len, len, 0] {
            out.extend_from_slice(&bytes(word));
        }
        for &at in order {
            let (picked, &start) = (self.picked.get(at)?, starts.get(at)?);
            let record = wire::record(picked.kind)?;
            let info = (picked.info & 1) << 31 | u32::from(picked.kind) << 24 | picked.info >> 1;
            let head = if record.head == Word::Type { id(picked.head)? } else { picked.head };
            for word in [strings.offset(picked.name)?, info, head] {
                out.extend_from_slice(&bytes(word));
            }
            let words = self.words.get(start..start + picked.words)?;
            for (&value, word) in words.iter().zip(record.entry.iter().cycle()) {
                let value = match word {
                    Word::Name => strings.offset(value)?,
                    Word::Type => id(value)?,
                    Word::Number => value,
                };
                out.extend_from_slice(&bytes(value));
            }
        }
        let strings_len = u32::try_from(strings.used.len()).ok()?;
        out.get_mut(20..24)?.copy_from_slice(&bytes(strings_len));
        out.append(&mut strings.used);
        Some(out)
    }
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
