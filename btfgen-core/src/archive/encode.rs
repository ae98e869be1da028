//! Encode: slots as the bytes that `btfgen_runtime` assembles BTFs from.

use btfgen_runtime::wire::{self, Word};

use super::slots::{Definition, Slot, SlotId, Slots};

/// The definitions of all slots, not yet compressed.
pub(super) fn encode(slots: &Slots) -> Vec<u8> {
    let mut names = Vec::new();
    for name in slots.names() {
        names.extend_from_slice(name);
        names.push(0);
    }
    let mut out = Vec::new();
    push(&mut out, names.len() as u32);
    out.extend(names);
    let numbers = slots.numbers();
    for slot in slots.in_order() {
        push_slot(&mut out, slot, slots.blobs(), &numbers);
    }
    out
}

fn push_slot(out: &mut Vec<u8>, slot: &Slot, blobs: u32, numbers: &[u32]) {
    out.push(slot.kind);
    push(out, slot.name.0);
    for run in slot.runs(blobs) {
        push(out, run.len);
        push(out, run.definition);
    }
    for definition in &slot.definitions {
        push_definition(out, slot.kind, definition, numbers);
    }
}

fn push_definition(out: &mut Vec<u8>, kind: u8, definition: &Definition, numbers: &[u32]) {
    let Some(record) = wire::record(kind) else { return };
    let number = |word, value: u32| match word {
        Word::Type => SlotId(value).index().map_or(0, |index| numbers[index]),
        Word::Name | Word::Number => value,
    };
    push(out, definition.vlen << 1 | u32::from(definition.kind_flag));
    push(out, number(record.third, definition.size_or_type));
    let mut above = vec![0; record.entry.len()];
    for entry in definition.words.chunks_exact(record.entry.len().max(1)) {
        for ((&value, &word), above) in entry.iter().zip(record.entry).zip(&mut above) {
            let value = number(word, value);
            push(out, wire::delta(*above, value));
            *above = value;
        }
    }
}

fn push(out: &mut Vec<u8>, value: u32) {
    wire::push_varint(out, value.into());
}
