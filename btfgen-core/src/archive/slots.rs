//! Slots: the types of several BTFs side by side, so that equal definitions are stored once.
//!
//! Which types share a slot is the writer's choice: any choice reads back to the same BTFs, and a good one leaves few
//! definitions in a slot. Named types are matched by kind and name, nameless members by the slot and name that they are
//! members of, other nameless types by content.

use btfgen_runtime::wire::{self, Word};

use crate::btf::{Btf, BtfError, Kind, RawType, StrOffset, TypeId};
use crate::memo::Memo;

/// How deep nameless types are followed to compare them; deeper ones are matched in the order of their ids.
const MAX_DEPTH: usize = 16;

/// Number of a slot in the order of creation, from 1; 0 is `void`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SlotId(pub(super) u32);

impl SlotId {
    const VOID: Self = Self(0);
    /// A slot that is not known yet while a nameless type's content is compared.
    const UNKNOWN: Self = Self(u32::MAX);

    /// Its index in a table of slots; `None` for `void`.
    pub(super) fn index(self) -> Option<usize> {
        (self.0 as usize).checked_sub(1)
    }
}

/// Number of a name, from 1; 0 is the empty name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct NameId(pub(super) u32);

/// Index of a family in [`Slots::families`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct FamilyId(usize);

/// A type in one or more BTFs, with its distinct definitions.
pub(super) struct Slot {
    pub(super) kind: u8,
    pub(super) name: NameId,
    family: FamilyId,
    /// The distinct definitions, in the order of their first use.
    pub(super) definitions: Vec<Definition>,
    runs: Vec<Run>,
    /// Number of the BTFs in the runs.
    covered: u32,
}

/// Consecutive BTFs that have the same definition of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Number of the BTFs.
    pub(super) len: u32,
    /// The definition's number, from 1; 0 is none.
    pub(super) definition: u32,
}

impl Slot {
    fn new(kind: u8, name: NameId, family: FamilyId) -> Self {
        Self { kind, name, family, definitions: Vec::new(), runs: Vec::new(), covered: 0 }
    }

    /// The runs of all BTFs.
    pub(super) fn runs(&self, blobs: u32) -> impl Iterator<Item = Run> {
        self.runs.iter().copied().chain(self.gap(blobs))
    }

    /// The BTFs that have no definition and are in no run yet.
    fn gap(&self, blobs: u32) -> Option<Run> {
        (self.covered < blobs).then(|| Run { len: blobs - self.covered, definition: 0 })
    }

    /// Adds the definition that the next BTF has, after `blobs` others.
    fn add(&mut self, blobs: u32, definition: Definition) {
        let known = self.definitions.iter().position(|known| *known == definition);
        let index = known.unwrap_or(self.definitions.len());
        if known.is_none() {
            self.definitions.push(definition);
        }
        self.runs.extend(self.gap(blobs));
        self.covered = blobs + 1;
        let definition = index as u32 + 1;
        match self.runs.last_mut() {
            Some(last) if last.definition == definition => last.len += 1,
            _ => self.runs.push(Run { len: 1, definition }),
        }
    }
}

/// A type's record, except for its kind and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Definition {
    pub(super) vlen: u32,
    pub(super) kind_flag: bool,
    pub(super) size_or_type: u32,
    /// The words of all entries: names as [`NameId`], types as [`SlotId`].
    pub(super) words: Vec<u32>,
}

/// The key that matches a type with the same type in other BTFs.
#[derive(PartialEq, Eq, Hash)]
enum Content {
    Named { kind: Kind, name: NameId },
    Member { kind: Kind, parent: SlotId, name: NameId },
    Nameless { kind: Kind, definition: Definition },
}

/// The slots of the BTFs that were added.
#[derive(Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// Number of BTFs.
    blobs: u32,
    /// The names, from number 1 on.
    names: Vec<Vec<u8>>,
    name_ids: Memo<Vec<u8>, NameId>,
    /// The slots of equal content: a BTF that has the same content twice uses two of them.
    families: Vec<Vec<SlotId>>,
    family_ids: Memo<Content, FamilyId>,
    /// The slots, ordered so that each BTF's types are a subsequence.
    order: Vec<SlotId>,
}

/// A BTF whose types are being given slots.
struct Adding<'a> {
    btf: &'a Btf<'a>,
    /// The slot of each type id; `VOID` as long as there is none.
    slots: Vec<SlotId>,
    /// How many types of each family there were.
    seen: Memo<FamilyId, usize>,
}

impl Slots {
    /// Adds a BTF.
    pub(super) fn add(&mut self, btf: &Btf<'_>) -> Result<(), BtfError> {
        let slots = vec![SlotId::VOID; btf.type_count() as usize];
        let mut adding = Adding { btf, slots, seen: Memo::default() };
        for ty in btf.types() {
            let name = self.intern_name(btf.string(ty.name_off)?);
            if name != NameId(0) {
                self.assign_slot(&mut adding, &ty, name, Content::Named { kind: ty.kind, name });
            }
        }
        let has_slot = |id: &TypeId| adding.slots[id.index()] != SlotId::VOID;
        let mut open: Vec<TypeId> = btf.types().map(|ty| ty.id).filter(has_slot).collect();
        while let Some(id) = open.pop() {
            self.assign_member_slots(&mut adding, &btf.type_by_id(id)?, &mut open)?;
        }
        for ty in btf.types() {
            self.intern_type(&mut adding, ty.id, 0)?;
        }
        self.put_in_order(&mut adding.slots[1..]);
        for ty in btf.types() {
            let definition = self.definition(&ty, btf, |id| Ok(adding.slots[id.index()]))?;
            if let Some(index) = adding.slots[ty.id.index()].index() {
                self.slots[index].add(self.blobs, definition);
            }
        }
        self.blobs += 1;
        Ok(())
    }

    /// Number of BTFs.
    pub(super) fn blobs(&self) -> u32 {
        self.blobs
    }

    /// The names, from number 1 on.
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().map(Vec::as_slice)
    }

    /// The slots, ordered so that each BTF's types are a subsequence.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &Slot> {
        self.order.iter().filter_map(|slot| self.slots.get(slot.index()?))
    }

    /// Maps a slot's creation index to its position in `order`, from 1; 0 if it has none.
    pub(super) fn numbers(&self) -> Vec<u32> {
        let mut numbers = vec![0; self.slots.len()];
        for (slot, number) in self.order.iter().zip(1..) {
            if let Some(index) = slot.index() {
                numbers[index] = number;
            }
        }
        numbers
    }

    fn intern_name(&mut self, text: &[u8]) -> NameId {
        if text.is_empty() {
            return NameId(0);
        }
        if let Some(&known) = self.name_ids.get(text) {
            return known;
        }
        self.names.push(text.to_vec());
        let id = NameId(self.names.len() as u32);
        self.name_ids.insert(text.to_vec(), id);
        id
    }

    /// Assigns a slot of its content to a type.
    fn assign_slot(
        &mut self,
        adding: &mut Adding<'_>,
        ty: &RawType<'_>,
        name: NameId,
        content: Content,
    ) -> SlotId {
        let family = *self.family_ids.entry(content).or_insert_with(|| {
            self.families.push(Vec::new());
            FamilyId(self.families.len() - 1)
        });
        let seen = adding.seen.entry(family).or_insert(0);
        let known = self.families[family.0].get(*seen).copied();
        *seen += 1;
        let slot = known.unwrap_or_else(|| self.new_slot(ty.kind.number(), name, family));
        adding.slots[ty.id.index()] = slot;
        slot
    }

    fn new_slot(&mut self, kind: u8, name: NameId, family: FamilyId) -> SlotId {
        self.slots.push(Slot::new(kind, name, family));
        let slot = SlotId(self.slots.len() as u32);
        self.families[family.0].push(slot);
        slot
    }

    /// Assigns slots to the nameless structs and unions in a type, by parent and member name: their content may differ between
    /// BTFs.
    fn assign_member_slots(
        &mut self,
        adding: &mut Adding<'_>,
        ty: &RawType<'_>,
        open: &mut Vec<TypeId>,
    ) -> Result<(), BtfError> {
        let parent = adding.slots[ty.id.index()];
        if !is_composite(ty) {
            return Ok(());
        }
        for member in ty.members() {
            let id = member.ty;
            if adding.slots.get(id.index()) != Some(&SlotId::VOID) || id == TypeId::VOID {
                continue;
            }
            let inner = adding.btf.type_by_id(id)?;
            if is_composite(&inner) && inner.vlen > 0 {
                let name = self.intern_name(adding.btf.string(member.name)?);
                self.assign_slot(
                    adding,
                    &inner,
                    NameId(0),
                    Content::Member { kind: inner.kind, parent, name },
                );
                open.push(id);
            }
        }
        Ok(())
    }

    /// The slot of a type, matched by content if it has no name.
    fn intern_type(&mut self, adding: &mut Adding<'_>, id: TypeId, depth: usize) -> Result<SlotId, BtfError> {
        let known = adding.slots.get(id.index()).copied();
        let known = known.ok_or(BtfError::TypeId { id, count: adding.btf.type_count() })?;
        if known != SlotId::VOID || id == TypeId::VOID {
            return Ok(known);
        }
        if depth == MAX_DEPTH {
            return Ok(SlotId::UNKNOWN);
        }
        let ty = adding.btf.type_by_id(id)?;
        // The type may contain itself.
        adding.slots[id.index()] = SlotId::UNKNOWN;
        let mut slots = Vec::new();
        for component in types_in(&ty) {
            slots.push(self.intern_type(adding, component, depth + 1)?);
        }
        let mut slots = slots.into_iter();
        let definition = self.definition(&ty, adding.btf, |_| Ok(slots.next().unwrap_or(SlotId::UNKNOWN)))?;
        Ok(self.assign_slot(adding, &ty, NameId(0), Content::Nameless { kind: ty.kind, definition }))
    }

    fn definition(
        &mut self,
        ty: &RawType<'_>,
        btf: &Btf<'_>,
        mut slot: impl FnMut(TypeId) -> Result<SlotId, BtfError>,
    ) -> Result<Definition, BtfError> {
        let unknown = BtfError::UnknownKind { id: ty.id, kind: ty.kind.number() };
        let record = wire::record(ty.kind.number()).ok_or(unknown)?;
        let mut convert = |word, value| match word {
            Word::Name => Ok(self.intern_name(btf.string(StrOffset(value))?).0),
            Word::Type => Ok(slot(TypeId(value))?.0),
            Word::Number => Ok(value),
        };
        let size_or_type = convert(record.third, ty.size_or_type)?;
        let words = ty.words().zip(record.entry.iter().cycle());
        let words = words.map(|(value, &word)| convert(word, value)).collect::<Result<_, _>>()?;
        Ok(Definition { vlen: ty.vlen, kind_flag: ty.kflag, size_or_type, words })
    }

    /// Extends the order of slots to a BTF's types.
    ///
    /// Types that would break the order move to another slot of the same family; as few as possible move.
    fn put_in_order(&mut self, slots: &mut [SlotId]) {
        let numbers = self.numbers();
        let number = |slot: SlotId| slot.index().and_then(|index| numbers.get(index)).copied().unwrap_or(0);
        let ordered: Vec<usize> = (0..slots.len()).filter(|&at| number(slots[at]) != 0).collect();
        let stays = ascending(&ordered.iter().map(|&at| number(slots[at])).collect::<Vec<_>>());
        let mut staying =
            ordered.iter().zip(&stays).filter(|(_, stays)| **stays).map(|(&at, _)| at).peekable();
        let mut last = 0;
        for (&at, &stays) in ordered.iter().zip(&stays) {
            if stays {
                staying.next();
            } else {
                let next = staying.peek().map_or(u32::MAX, |&at| number(slots[at]));
                let fits =
                    |other: &SlotId| (last + 1..next).contains(&number(*other)) && !slots.contains(other);
                let Some(Slot { kind, name, family, .. }) = slots[at].index().map(|index| &self.slots[index])
                else {
                    continue;
                };
                let (kind, name, family) = (*kind, *name, *family);
                let other = self.families[family.0].iter().copied().find(fits);
                slots[at] = other.unwrap_or_else(|| self.new_slot(kind, name, family));
            }
            last = last.max(number(slots[at]));
        }
        let mut before = std::mem::take(&mut self.order).into_iter();
        for &slot in &*slots {
            if number(slot) != 0 {
                self.order.extend(before.by_ref().take_while(|other| *other != slot));
            }
            self.order.push(slot);
        }
        self.order.extend(before);
    }
}

fn is_composite(ty: &RawType<'_>) -> bool {
    matches!(ty.kind, Kind::Struct | Kind::Union)
}

/// The ids that a type's record refers to, in the order of its words.
fn types_in<'a>(ty: &RawType<'a>) -> impl Iterator<Item = TypeId> + use<'a> {
    let record = wire::record(ty.kind.number());
    let third = record.filter(|record| record.third == Word::Type).map(|_| TypeId(ty.size_or_type));
    let entry = record.map_or(&[][..], |record| record.entry);
    let is_type = |(value, word): (u32, &Word)| (*word == Word::Type).then_some(TypeId(value));
    third.into_iter().chain(ty.words().zip(entry.iter().cycle()).filter_map(is_type))
}

/// Marks a longest ascending subsequence of distinct values.
fn ascending(values: &[u32]) -> Vec<bool> {
    // For each length the index of the least value that a subsequence of it ends with.
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

    #[test]
    fn runs_cover_all_btfs() {
        let check = |has: &[Option<u32>], expect: &[(u32, u32)]| {
            let mut slot = Slot::new(Kind::Float.number(), NameId(1), FamilyId(0));
            for (blob, size) in has.iter().enumerate() {
                if let Some(size_or_type) = *size {
                    let definition =
                        Definition { vlen: 0, kind_flag: false, size_or_type, words: Vec::new() };
                    slot.add(blob as u32, definition);
                }
            }
            let runs: Vec<_> = slot.runs(has.len() as u32).map(|run| (run.len, run.definition)).collect();
            assert_eq!(runs, expect, "{has:?}");
        };
        check(&[Some(4)], &[(1, 1)]);
        check(&[Some(4), Some(4), Some(8), Some(4)], &[(2, 1), (1, 2), (1, 1)]);
        check(&[None, None, Some(4), None, Some(4), None], &[(2, 0), (1, 1), (1, 0), (1, 1), (1, 0)]);
    }
}
