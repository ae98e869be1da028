//! Slots: the types of several BTFs laid side by side, so that what they share is stored once.
//!
//! Which types share a slot is the writer's choice: any choice reads back to the same BTFs, and one is good if the
//! definitions in a slot are few. Named types go by kind and name, nameless members by the slot and name that they are members
//! of, the others by their content.

use btfgen_runtime::wire::{self, OFFSET_ROTATION, Record, Word};

use crate::btf::{Btf, BtfError, Kind, RawType, VOID};
use crate::memo::Memo;

/// How deep nameless types are looked into to tell them apart; beyond, they are taken in the order of their ids.
const MAX_DEPTH: usize = 16;
/// Stands for a slot that is not known (yet) while a nameless type's content is compared.
const UNKNOWN: u32 = u32::MAX;

/// One type of all BTFs.
pub(super) struct Slot {
    pub(super) kind: u8,
    /// Number of its name.
    pub(super) name: u32,
    /// The distinct definitions, in the order of their first use.
    pub(super) definitions: Vec<Definition>,
    /// Which definition a BTF has, from 1; for the BTFs that have one, ascending.
    pub(super) uses: Vec<(usize, usize)>,
}

impl Slot {
    fn new(kind: u8, name: u32) -> Self {
        Self { kind, name, definitions: Vec::new(), uses: Vec::new() }
    }
}

/// A type's record, but for its name.
#[derive(PartialEq, Eq)]
pub(super) struct Definition {
    /// `vlen << 1`, and the kind flag below it.
    pub(super) info: u32,
    pub(super) head: u32,
    /// The words of all entries: names by number, types by slot (`void` is 0, the first slot 1), offsets rotated.
    words: Vec<u32>,
}

impl Definition {
    pub(super) fn new(info: u32, head: u32, words: Vec<u32>) -> Self {
        Self { info, head, words }
    }

    /// The words of each entry.
    pub(super) fn entries(&self, record: &Record) -> std::slice::ChunksExact<'_, u32> {
        self.words.chunks_exact(record.entry.len().max(1))
    }
}

/// The slots of the BTFs added so far.
#[derive(Default)]
pub(super) struct Slots {
    pub(super) slots: Vec<Slot>,
    /// Number of BTFs.
    btfs: usize,
    /// The texts; a name is the number of its text, and the first is the empty one.
    pub(super) texts: Vec<Vec<u8>>,
    numbers: Memo<Vec<u8>, u32>,
    /// What makes a slot: content, and how many of the same content stand before it in one BTF.
    known: Memo<(Vec<u32>, u32), usize>,
    /// Slots that take a slot's place where it stands too early or too late, both from 1.
    spares: Memo<u32, Vec<u32>>,
    /// For the beginning (0) and for each slot (from 1) the slot, from 1, that follows it in the order of all.
    followers: Vec<u32>,
}

/// One BTF on its way into the slots.
struct Adding<'a> {
    btf: &'a Btf<'a>,
    /// For each id its slot, from 1; 0 as long as there is none.
    slots: Vec<u32>,
    /// How often each content has occurred.
    seen: Memo<Vec<u32>, u32>,
}

impl Slots {
    /// Adds a BTF.
    pub(super) fn add(&mut self, btf: &Btf<'_>) -> Result<(), BtfError> {
        let mut adding = Adding { btf, slots: vec![0; btf.type_count() as usize], seen: Memo::default() };
        for ty in btf.types() {
            let name = self.number(btf.string(ty.name_off)?);
            if name != 0 {
                self.enter(&mut adding, &ty, name, vec![ty.kind as u32, name]);
            }
        }
        let mut open: Vec<u32> = (1..btf.type_count()).filter(|&id| adding.slots[id as usize] != 0).collect();
        while let Some(id) = open.pop() {
            self.enter_members(&mut adding, &btf.type_by_id(id)?, &mut open)?;
        }
        for ty in btf.types() {
            self.slot(&mut adding, ty.id, 0)?;
        }
        self.straighten(&mut adding.slots[1..]);
        let mut last = 0;
        for ty in btf.types() {
            let slot = adding.slots[ty.id as usize];
            self.link(last, slot);
            last = slot;
            let definition = self.definition(&ty, btf, |id| Ok(adding.slots[id as usize]))?;
            let slot = &mut self.slots[slot as usize - 1];
            let known = slot.definitions.iter().position(|known| *known == definition);
            let number = known.unwrap_or_else(|| {
                slot.definitions.push(definition);
                slot.definitions.len() - 1
            });
            slot.uses.push((self.btfs, number + 1));
        }
        self.btfs += 1;
        Ok(())
    }

    /// The most words that the definitions of one slot have.
    pub(super) fn largest(&self) -> usize {
        let words = |slot: &Slot| slot.definitions.iter().map(|it| it.words.len()).sum();
        self.slots.iter().map(words).max().unwrap_or(0)
    }

    /// The slots in an order in which all BTFs have them: a new one stands behind the one that it first stood behind.
    pub(super) fn order(&self) -> Vec<usize> {
        let next =
            |slot: &usize| self.followers.get(*slot).map(|next| *next as usize).filter(|next| *next != 0);
        std::iter::successors(next(&0), next).map(|slot| slot - 1).collect()
    }

    fn number(&mut self, text: &[u8]) -> u32 {
        if self.texts.is_empty() {
            self.texts.push(Vec::new());
        }
        if text.is_empty() {
            return 0;
        }
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.to_vec());
        self.numbers.insert(text.to_vec(), number);
        number
    }

    /// Gives a type the slot of its content, a new one if need be.
    fn enter(&mut self, adding: &mut Adding<'_>, ty: &RawType<'_>, name: u32, content: Vec<u32>) -> u32 {
        let before = adding.seen.entry(content.clone()).or_insert(0);
        let slots = &mut self.slots;
        let slot = *self.known.entry((content, *before)).or_insert_with(|| {
            slots.push(Slot::new(ty.kind as u8, name));
            slots.len()
        });
        *before += 1;
        adding.slots[ty.id as usize] = slot as u32;
        slot as u32
    }

    /// Gives nameless structs and unions in a type slots by their places there: what they contain may change.
    fn enter_members(
        &mut self,
        adding: &mut Adding<'_>,
        ty: &RawType<'_>,
        open: &mut Vec<u32>,
    ) -> Result<(), BtfError> {
        let parent = adding.slots[ty.id as usize];
        if !is_composite(ty) {
            return Ok(());
        }
        for (name_off, id, _, _) in ty.members() {
            if adding.slots.get(id as usize) != Some(&0) || id == VOID {
                continue;
            }
            let inner = adding.btf.type_by_id(id)?;
            if is_composite(&inner) && inner.vlen > 0 {
                let name = self.number(adding.btf.string(name_off)?);
                self.enter(adding, &inner, 0, vec![UNKNOWN, inner.kind as u32, parent, name]);
                open.push(id);
            }
        }
        Ok(())
    }

    /// The slot of a type, found by what it contains if it has no name.
    fn slot(&mut self, adding: &mut Adding<'_>, id: u32, depth: usize) -> Result<u32, BtfError> {
        let known = adding.slots.get(id as usize).copied();
        let known = known.ok_or(BtfError::TypeId { id, count: adding.btf.type_count() })?;
        if known != 0 || id == VOID {
            return Ok(known);
        }
        if depth == MAX_DEPTH {
            return Ok(UNKNOWN);
        }
        let ty = adding.btf.type_by_id(id)?;
        // A type on the way to itself.
        adding.slots[id as usize] = UNKNOWN;
        let mut slots = Vec::new();
        for component in types_in(&ty) {
            slots.push(self.slot(adding, component, depth + 1)?);
        }
        let mut slots = slots.into_iter();
        let definition = self.definition(&ty, adding.btf, |_| Ok(slots.next().unwrap_or(UNKNOWN)))?;
        let content = [ty.kind as u32, 0, definition.info, definition.head];
        Ok(self.enter(adding, &ty, 0, [content.as_slice(), &definition.words].concat()))
    }

    fn definition(
        &mut self,
        ty: &RawType<'_>,
        btf: &Btf<'_>,
        mut slot: impl FnMut(u32) -> Result<u32, BtfError>,
    ) -> Result<Definition, BtfError> {
        let record =
            wire::record(ty.kind as u8).ok_or(BtfError::UnknownKind { id: ty.id, kind: ty.kind as u8 })?;
        let head = if record.head == Word::Type { slot(ty.size_or_type)? } else { ty.size_or_type };
        let mut words: Vec<u32> = ty.words().collect();
        for (value, word) in words.iter_mut().zip(record.entry.iter().cycle()) {
            *value = match word {
                Word::Name => self.number(btf.string(*value)?),
                Word::Type => slot(*value)?,
                Word::Offset => value.rotate_right(OFFSET_ROTATION),
                Word::Number => *value,
            };
        }
        Ok(Definition::new(u32::from(ty.vlen) << 1 | u32::from(ty.kflag), head, words))
    }

    /// Gives other slots to the fewest types that keep a BTF's from standing in the order of all.
    fn straighten(&mut self, slots: &mut [u32]) {
        let mut places = vec![0; self.slots.len() + 1];
        for (slot, place) in self.order().into_iter().zip(1..) {
            places[slot + 1] = place;
        }
        let place = |slot: u32| places.get(slot as usize).copied().unwrap_or(0);
        let placed: Vec<usize> = (0..slots.len()).filter(|&at| place(slots[at]) != 0).collect();
        let stays = ascending(&placed.iter().map(|&at| place(slots[at])).collect::<Vec<u32>>());
        let mut fixed = placed.iter().zip(&stays).filter(|(_, stays)| **stays).map(|(&at, _)| at).peekable();
        let mut last = 0;
        for (&at, &stays) in placed.iter().zip(&stays) {
            if stays {
                fixed.next();
                last = place(slots[at]);
                continue;
            }
            let next = fixed.peek().map_or(u32::MAX, |&at| place(slots[at]));
            let spares = self.spares.entry(slots[at]).or_default();
            let fits = |spare: &&u32| (last + 1..next).contains(&place(**spare));
            slots[at] = match spares.iter().find(fits) {
                Some(&spare) => {
                    last = place(spare);
                    spare
                }
                None => {
                    let instead = &self.slots[slots[at] as usize - 1];
                    self.slots.push(Slot::new(instead.kind, instead.name));
                    spares.push(self.slots.len() as u32);
                    self.slots.len() as u32
                }
            };
        }
    }

    /// Has a slot that is new to the order follow another.
    fn link(&mut self, before: u32, slot: u32) {
        self.followers.resize(self.slots.len() + 1, UNKNOWN);
        if self.followers[0] == UNKNOWN {
            self.followers[0] = 0;
        }
        if self.followers[slot as usize] == UNKNOWN {
            let after = std::mem::replace(&mut self.followers[before as usize], slot);
            self.followers[slot as usize] = after;
        }
    }
}

fn is_composite(ty: &RawType<'_>) -> bool {
    matches!(ty.kind, Kind::Struct | Kind::Union)
}

/// The ids that a type's record refers to, in the order of its words.
fn types_in<'a>(ty: &RawType<'a>) -> impl Iterator<Item = u32> + use<'a> {
    let record = wire::record(ty.kind as u8);
    let head = record.filter(|record| record.head == Word::Type).map(|_| ty.size_or_type);
    let entry = record.map_or(&[][..], |record| record.entry);
    let is_type = |(value, word): (u32, &Word)| (*word == Word::Type).then_some(value);
    head.into_iter().chain(ty.words().zip(entry.iter().cycle()).filter_map(is_type))
}

/// Marks a longest ascending subsequence of different values.
pub(super) fn ascending(values: &[u32]) -> Vec<bool> {
    // For each length the place of the least value that a subsequence of it ends with.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(values.len());
    for (at, value) in values.iter().enumerate() {
        let len = ends.partition_point(|&end| values[end] < *value);
        before.push(len.checked_sub(1).map(|shorter| ends[shorter]));
        match ends.get_mut(len) {
            Some(end) => *end = at,
            None => ends.push(at),
        }
    }
    let mut marks = vec![false; values.len()];
    for at in std::iter::successors(ends.last().copied(), |&at| before[at]) {
        marks[at] = true;
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_that_can_stay_stay() {
        let check = |values: &[u32], expect: &str| {
            let marks: String =
                ascending(values).iter().map(|&stays| if stays { 's' } else { 'm' }).collect();
            assert_eq!(marks, expect, "{values:?}");
        };
        check(&[], "");
        check(&[1, 2, 3], "sss");
        check(&[9, 1, 2, 3], "msss");
        check(&[1, 2, 9, 3, 4], "ssmss");
        check(&[3, 2, 1], "mms");
    }
}
