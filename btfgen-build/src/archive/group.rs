//! Groups: the minimized BTFs in pieces that a look-up decodes whole, each the distinct definitions of its BTFs.

use std::io;

use btfgen_runtime::KernelId;
use btfgen_runtime::wire::{self, BIG, COLUMNS, LITTLE, LOOKUP_TARGET, Word, ZSTD_MAGIC};

use super::ArchiveError;
use super::slots::{Definition, Slot, Slots};
use crate::btf::{Btf, Endian};
use crate::threads::on_all_cores;

/// A group as it is stored.
pub(super) struct Group {
    pub(super) raw_len: usize,
    pub(super) frame: Vec<u8>,
    /// Number of its BTFs.
    pub(super) btfs: usize,
}

/// A BTF on its way into a group, and a kernel to name when it is malformed.
pub(super) struct Member<'a, 'k> {
    pub(super) kernel: &'k KernelId,
    pub(super) btf: Btf<'a>,
}

/// A group's decoded form and the number of its BTFs.
pub(super) type Piece = (Vec<u8>, usize);

/// Cuts BTFs into groups, in their order, each of one byte order and within one look-up's reach where that is possible.
pub(super) fn cut(members: &[&Member<'_, '_>]) -> Result<Vec<Piece>, ArchiveError> {
    let mut pieces = Vec::new();
    for alike in members.chunk_by(|a, b| a.btf.endian() == b.btf.endian()) {
        halve(alike, &mut pieces)?;
    }
    Ok(pieces)
}

fn halve(members: &[&Member<'_, '_>], pieces: &mut Vec<Piece>) -> Result<(), ArchiveError> {
    let raw = encode(members)?;
    if raw.len() <= LOOKUP_TARGET || members.len() == 1 {
        pieces.push((raw, members.len()));
        return Ok(());
    }
    let (front, back) = members.split_at(members.len() / 2);
    halve(front, pieces)?;
    halve(back, pieces)
}

/// Compresses the pieces.
pub(super) fn compress_all(pieces: &[Piece], level: i32) -> io::Result<Vec<Group>> {
    let group = |(): &mut (), at: usize| -> io::Result<Group> {
        let (raw, btfs) = &pieces[at];
        Ok(Group { raw_len: raw.len(), frame: compress(raw, level)?, btfs: *btfs })
    };
    on_all_cores(pieces.len(), || (), group).into_iter().collect()
}

/// The decoded form of a group, the one that `btfgen_runtime::Archive` puts a BTF together from.
fn encode(members: &[&Member<'_, '_>]) -> Result<Vec<u8>, ArchiveError> {
    let mut slots = Slots::default();
    for Member { kernel, btf } in members {
        let no_btf = |source| ArchiveError::NoBtf { kernel: (*kernel).clone(), source };
        slots.add(btf).map_err(no_btf)?;
    }
    let order = slots.order();
    let mut columns = Columns::new(&slots, &order);
    for &slot in &order {
        columns.slot(&slots.slots[slot], members.len());
    }
    let endian = members.first().map_or(Endian::Little, |member| member.btf.endian());
    Ok(columns.finish(if endian == Endian::Big { BIG } else { LITTLE }))
}

/// The columns of a group, being written.
struct Columns<'a> {
    slots: &'a Slots,
    /// For each slot its number, from 1, in the order of all.
    places: Vec<u32>,
    /// For each name its number in the order of first use; 0 as long as it has none, and for the empty one.
    used: Vec<u32>,
    used_count: u32,
    /// The name of the slot before.
    name: u32,
    texts: Vec<u8>,
    kinds: Vec<u8>,
    counts: Vec<u8>,
    infos: Vec<u8>,
    heads: Vec<u8>,
    names: Vec<u8>,
    types: Vec<u8>,
    numbers: Vec<u8>,
    timelines: Vec<u8>,
}

impl<'a> Columns<'a> {
    fn new(slots: &'a Slots, order: &[usize]) -> Self {
        let mut places = vec![0; slots.slots.len()];
        for (&slot, place) in order.iter().zip(1..) {
            places[slot] = place;
        }
        Self {
            slots,
            places,
            used: vec![0; slots.texts.len()],
            used_count: 0,
            name: 0,
            texts: Vec::new(),
            kinds: Vec::new(),
            counts: Vec::new(),
            infos: Vec::new(),
            heads: Vec::new(),
            names: Vec::new(),
            types: Vec::new(),
            numbers: Vec::new(),
            timelines: Vec::new(),
        }
    }

    fn slot(&mut self, slot: &Slot, btfs: usize) {
        let Some(record) = wire::record(slot.kind) else { return };
        self.kinds.push(slot.kind);
        let own_name = self.name_number(slot.name);
        push(&mut self.names, wire::delta(self.name, own_name));
        self.name = own_name;
        push(&mut self.counts, slot.definitions.len() as u32);
        for Definition { info, head, words } in &slot.definitions {
            push(&mut self.infos, *info);
            match record.head {
                Word::Type => self.push_type(*head),
                _ => push(&mut self.heads, *head),
            }
            let (mut before, mut name) = ([0; 3], own_name);
            for entry in words.chunks(record.entry.len().max(1)) {
                for ((&value, word), before) in entry.iter().zip(record.entry).zip(&mut before) {
                    match word {
                        Word::Name => {
                            let next = self.name_number(value);
                            push(&mut self.names, wire::delta(name, next));
                            name = next;
                        }
                        Word::Type => self.push_type(value),
                        Word::Number => {
                            push(&mut self.numbers, wire::delta(*before, value));
                            *before = value;
                        }
                    }
                }
            }
        }
        self.timeline(slot, btfs);
    }

    /// Appends the changes of a slot's definition from BTF to BTF, the first against definition 1.
    fn timeline(&mut self, slot: &Slot, btfs: usize) {
        let mut states = vec![0; btfs];
        for &(btf, definition) in &slot.uses {
            states[btf] = definition;
        }
        let (mut state, mut at, mut count) = (1, 0, 0);
        let mut changes = Vec::new();
        for (btf, &next) in states.iter().enumerate() {
            if next != state {
                push(&mut changes, (btf - at) as u32);
                push(&mut changes, next as u32);
                (state, at, count) = (next, btf, count + 1);
            }
        }
        push(&mut self.timelines, count);
        self.timelines.extend_from_slice(&changes);
    }

    fn push_type(&mut self, slot: u32) {
        let place = (slot as usize).checked_sub(1).map_or(0, |slot| self.places[slot]);
        push(&mut self.types, place);
    }

    /// A name's number in the group, where a new one is written down.
    fn name_number(&mut self, name: u32) -> u32 {
        let used = &mut self.used[name as usize];
        if *used == 0 && name != 0 {
            self.used_count += 1;
            *used = self.used_count;
            self.texts.extend_from_slice(&self.slots.texts[name as usize]);
            self.texts.push(0);
        }
        *used
    }

    fn finish(self, byte_order: u8) -> Vec<u8> {
        let columns: [Vec<u8>; COLUMNS] = [
            self.texts,
            self.kinds,
            self.counts,
            self.infos,
            self.heads,
            self.names,
            self.types,
            self.numbers,
            self.timelines,
        ];
        let mut raw = vec![byte_order];
        for column in columns {
            push(&mut raw, column.len() as u32);
            raw.extend(column);
        }
        raw
    }
}

fn push(column: &mut Vec<u8>, value: u32) {
    wire::push_varint(column, value);
}

/// A zstd frame with a content checksum and without its magic number.
pub(super) fn compress(raw: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::bulk::Compressor::new(level)?;
    encoder.include_checksum(true)?;
    encoder.include_contentsize(false)?;
    encoder.include_dictid(false)?;
    let mut frame = encoder.compress(raw)?;
    frame.drain(..ZSTD_MAGIC.len());
    Ok(frame)
}
