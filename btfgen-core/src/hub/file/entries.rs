//! Entries: members and enumerators, stored as differences to those of an earlier definition.
//!
//! Most definitions of a hub file are one of many versions of a struct, so most of their entries are those of the version
//! before. A *script* lists runs of copied, skipped and new entries.

use std::ops::Range;

use super::column::{Column, Columns, Reader, Unpacked};
use super::error::HubFileError;
use crate::types::{Name, TypeRef};

/// Most entries of one definition, as BTF has 16 bits for their number.
pub(super) const MAX_ENTRIES: usize = 0xffff;

/// A member or an enumerator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: Name,
    /// A member's type; `void` for an enumerator.
    pub(super) ty: TypeRef,
    /// Distance from the expected offset or value, which is right after the entry before.
    pub(super) gap: i64,
    /// Width of a bitfield in bits, else 0.
    pub(super) bitfield_size: u8,
}

/// How a copied entry differs from the one that it was copied from, as a bit set.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Difference(u8);

impl Difference {
    const BITS: u32 = 3;
    const TYPE: u8 = 1;
    const GAP: u8 = 2;
    const BITFIELD_SIZE: u8 = 4;

    fn between(old: Entry, new: Entry) -> Self {
        let flag = |differs, flag| if differs { flag } else { 0 };
        let ty = flag(old.ty != new.ty, Self::TYPE);
        let gap = flag(old.gap != new.gap, Self::GAP);
        Self(ty | gap | flag(old.bitfield_size != new.bitfield_size, Self::BITFIELD_SIZE))
    }

    fn is_none(self) -> bool {
        self.0 == 0
    }

    fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

/// Entries of two lists that correspond, by their indices.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Pair {
    old: usize,
    new: usize,
}

/// Pairs of entries that correspond, ascending in both lists.
///
/// The n-th entry of a name corresponds to the n-th of that name; of these pairs, the longest ascending sequence counts.
fn align(old: &[Entry], new: &[Entry]) -> Vec<Pair> {
    let by_name = |entries: &[Entry]| {
        let mut sorted: Vec<(Name, usize)> =
            entries.iter().enumerate().map(|(index, entry)| (entry.name, index)).collect();
        sorted.sort_unstable();
        sorted
    };
    let (left, right) = (by_name(old), by_name(new));
    let mut pairs = Vec::with_capacity(left.len().min(right.len()));
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        match left[i].0.cmp(&right[j].0) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                pairs.push(Pair { old: left[i].1, new: right[j].1 });
                i += 1;
                j += 1;
            }
        }
    }
    pairs.sort_unstable_by_key(|pair| pair.new);
    longest_ascending(&pairs)
}

/// A longest subsequence that is ascending in `old`, by the last elements of the best subsequences of each length.
fn longest_ascending(pairs: &[Pair]) -> Vec<Pair> {
    let mut tails: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    for (index, pair) in pairs.iter().enumerate() {
        let len = tails.partition_point(|&tail| pairs[tail].old < pair.old);
        before.push(len.checked_sub(1).map(|last| tails[last]));
        if len == tails.len() { tails.push(index) } else { tails[len] = index }
    }
    let backwards = std::iter::successors(tails.last().copied(), |&index| before[index]);
    let mut longest: Vec<Pair> = backwards.map(|index| pairs[index]).collect();
    longest.reverse();
    longest
}

/// How one list of entries is made from another.
pub(super) struct Edit {
    pairs: Vec<Pair>,
    /// Estimated cost in bytes.
    pub(super) cost: usize,
}

/// Estimated cost in bytes of entries that are all new.
pub(super) fn cost_of_new(entries: usize) -> usize {
    entries * 5
}

impl Edit {
    pub(super) fn new(old: &[Entry], new: &[Entry]) -> Self {
        let pairs = align(old, new);
        let differing =
            pairs.iter().filter(|pair| !Difference::between(old[pair.old], new[pair.new]).is_none()).count();
        let is_break = |a: Pair, b: Pair| b != Pair { old: a.old + 1, new: a.new + 1 };
        let breaks = pairs.windows(2).filter(|pair| is_break(pair[0], pair[1])).count();
        let cost = 1 + 3 * differing + 2 * breaks + cost_of_new(new.len() - pairs.len());
        Self { pairs, cost }
    }
}

/// Writes entries, definition by definition.
pub(super) struct EntryWriter {
    /// For each name the type of the last member of that name.
    last_types: Vec<Option<TypeRef>>,
}

impl EntryWriter {
    pub(super) fn new(names: usize) -> Self {
        Self { last_types: vec![None; names] }
    }

    /// Writes new entries.
    pub(super) fn plain(&mut self, out: &mut Columns, entries: &[Entry], members: bool) {
        for &entry in entries {
            self.entry(out, entry, members);
        }
    }

    fn entry(&mut self, out: &mut Columns, entry: Entry, members: bool) {
        out.uint(Column::EntryName, entry.name.number().into());
        out.int(Column::EntryGap, entry.gap);
        if members {
            let last = self.last_types[entry.name.index()].replace(entry.ty);
            let same = last == Some(entry.ty);
            out.uint(Column::EntryType, if same { 0 } else { u64::from(entry.ty.number()) + 1 });
            out.raw(Column::EntryBits).push(entry.bitfield_size);
        }
    }

    /// Writes entries that are made from others.
    pub(super) fn edited(
        &mut self,
        out: &mut Columns,
        old: &[Entry],
        new: &[Entry],
        edit: &Edit,
        members: bool,
    ) {
        let (mut i, mut j) = (0, 0);
        let mut pairs = edit.pairs.iter().copied().peekable();
        let mut changed = Vec::new();
        let mut copied = 0;
        while j < new.len() {
            let start = j;
            while pairs.next_if_eq(&Pair { old: i, new: j }).is_some() {
                if !Difference::between(old[i], new[j]).is_none() {
                    changed.push((copied, old[i], new[j]));
                }
                copied += 1;
                i += 1;
                j += 1;
            }
            out.uint(Column::Script, (j - start) as u64);
            if j == new.len() {
                break;
            }
            let next = pairs.peek().copied().unwrap_or(Pair { old: i, new: new.len() });
            out.uint(Column::Script, (next.old - i) as u64);
            out.uint(Column::Script, (next.new - j) as u64);
            self.plain(out, &new[j..next.new], members);
            (i, j) = (next.old, next.new);
        }
        out.uint(Column::Changes, changed.len() as u64);
        if members {
            for pair in &edit.pairs {
                let entry = new[pair.new];
                self.last_types[entry.name.index()] = Some(entry.ty);
            }
        }
        let mut last = 0;
        for (index, old, new) in changed {
            let difference = Difference::between(old, new);
            out.uint(Column::Changes, ((index - last) as u64) << Difference::BITS | u64::from(difference.0));
            last = index;
            if difference.has(Difference::TYPE) {
                out.int(Column::ChangedType, i64::from(new.ty.number()) - i64::from(old.ty.number()));
            }
            if difference.has(Difference::GAP) {
                out.int(Column::ChangedGap, new.gap);
            }
            if difference.has(Difference::BITFIELD_SIZE) {
                out.uint(Column::ChangedGap, new.bitfield_size.into());
            }
        }
    }
}

/// Reads entries, definition by definition.
pub(super) struct EntryReader {
    script: Reader,
    changes: Reader,
    changed_type: Reader,
    changed_gap: Reader,
    name: Reader,
    ty: Reader,
    gap: Reader,
    bitfield_size: Reader,
    /// For each name the type of the last member of that name.
    last_types: Vec<Option<TypeRef>>,
    type_count: usize,
    /// Indices of the copied entries.
    copied: Vec<usize>,
}

impl EntryReader {
    pub(super) fn new(columns: &mut Unpacked, names: usize, type_count: usize) -> Result<Self, HubFileError> {
        let mut open = |column| columns.reader(column);
        Ok(Self {
            script: open(Column::Script)?,
            changes: open(Column::Changes)?,
            changed_type: open(Column::ChangedType)?,
            changed_gap: open(Column::ChangedGap)?,
            name: open(Column::EntryName)?,
            ty: open(Column::EntryType)?,
            gap: open(Column::EntryGap)?,
            bitfield_size: open(Column::EntryBits)?,
            last_types: vec![None; names],
            type_count,
            copied: Vec::new(),
        })
    }

    /// Appends new entries.
    pub(super) fn plain(
        &mut self,
        out: &mut Vec<Entry>,
        count: usize,
        members: bool,
    ) -> Result<(), HubFileError> {
        for _ in 0..count {
            let name = Name::at(self.name.below(self.last_types.len(), "names")?);
            let mut entry = Entry { name, ty: TypeRef::VOID, gap: self.gap.int()?, bitfield_size: 0 };
            if members {
                let last = &mut self.last_types[name.index()];
                // 0 stands for the last type.
                if let Some(ty) = self.ty.below(self.type_count + 1, "types")?.checked_sub(1) {
                    *last = Some(TypeRef::at(ty));
                }
                entry.ty = last.ok_or_else(|| self.ty.malformed("types"))?;
                entry.bitfield_size = self.bitfield_size.byte()?;
            }
            out.push(entry);
        }
        Ok(())
    }

    /// Appends the entries made from those at `old` in `out`.
    pub(super) fn edited(
        &mut self,
        out: &mut Vec<Entry>,
        old: Range<usize>,
        count: usize,
        members: bool,
    ) -> Result<(), HubFileError> {
        let (mut from, end) = (old.start, out.len() + count);
        self.copied.clear();
        loop {
            let len = self.script.uint()? as usize;
            if len > (old.end - from).min(end - out.len()) {
                return Err(self.script.malformed("runs"));
            }
            self.copied.extend(out.len()..out.len() + len);
            out.extend_from_within(from..from + len);
            from += len;
            if out.len() == end {
                break;
            }
            let (skipped, new) = (self.script.uint()? as usize, self.script.uint()? as usize);
            // Empty runs could be repeated without end.
            if skipped > old.end - from || new > end - out.len() || (len == 0 && new == 0 && skipped == 0) {
                return Err(self.script.malformed("runs"));
            }
            from += skipped;
            self.plain(out, new, members)?;
            if out.len() == end {
                break;
            }
        }
        self.change(out, members)
    }

    fn change(&mut self, out: &mut [Entry], members: bool) -> Result<(), HubFileError> {
        let mut at = 0u64;
        for _ in 0..self.changes.uint()? {
            let change = self.changes.uint()?;
            let difference = Difference((change & ((1 << Difference::BITS) - 1)) as u8);
            at = (change >> Difference::BITS).saturating_add(at);
            let index = usize::try_from(at).ok().and_then(|at| self.copied.get(at));
            let entry = &mut out[*index.ok_or_else(|| self.changes.malformed("entries"))?];
            if difference.has(Difference::TYPE) {
                let ty = self.changed_type.near(entry.ty.number(), self.type_count, "types")?;
                entry.ty = TypeRef::at(ty);
            }
            if difference.has(Difference::GAP) {
                entry.gap = self.changed_gap.int()?;
            }
            if difference.has(Difference::BITFIELD_SIZE) {
                entry.bitfield_size = u8::try_from(self.changed_gap.uint()?)
                    .map_err(|_| self.changed_gap.malformed("widths"))?;
            }
        }
        if members {
            for &index in &self.copied {
                let entry = out[index];
                self.last_types[entry.name.index()] = Some(entry.ty);
            }
        }
        Ok(())
    }

    pub(super) fn end(&self) -> Result<(), HubFileError> {
        let all = [
            &self.script,
            &self.changes,
            &self.changed_type,
            &self.changed_gap,
            &self.name,
            &self.ty,
            &self.gap,
            &self.bitfield_size,
        ];
        all.iter().try_for_each(|reader| reader.end())
    }
}
