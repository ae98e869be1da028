//! Entries: members and enumerators, stored as differences to those of an earlier definition.
//!
//! Most definitions of a hub file are one of many versions of a struct, so most of their entries are those of the version
//! before. A *script* lists runs of copied, skipped and new entries.

use super::column::{Column, Columns, Reader};
use super::error::HubFileError;
use crate::types::{Name, TypeRef};

/// Most entries of one definition, as BTF has 24 bits for their number.
pub(super) const MAX_ENTRIES: usize = 0xff_ffff;

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
    /// For each name the type of the last member of that name.
    last_types: Vec<Option<TypeRef>>,
    type_count: usize,
}

impl EntryReader {
    pub(super) fn new(names: usize, type_count: usize) -> Self {
        Self { last_types: vec![None; names], type_count }
    }

    /// Appends new entries.
    pub(super) fn plain(
        &mut self,
        columns: &mut Reader,
        out: &mut Vec<Entry>,
        count: usize,
        members: bool,
    ) -> Result<(), HubFileError> {
        for _ in 0..count {
            let name = Name::at(columns.below(Column::EntryName, self.last_types.len(), "names")?);
            let gap = columns.int(Column::EntryGap)?;
            let mut entry = Entry { name, ty: TypeRef::VOID, gap, bitfield_size: 0 };
            if members {
                let last = &mut self.last_types[name.index()];
                // 0 is the last type.
                if let Some(ty) =
                    columns.below(Column::EntryType, self.type_count + 1, "types")?.checked_sub(1)
                {
                    *last = Some(TypeRef::at(ty));
                }
                entry.ty = last.ok_or_else(|| Column::EntryType.malformed("types"))?;
                entry.bitfield_size = columns.byte(Column::EntryBits)?;
            }
            out.push(entry);
        }
        Ok(())
    }

    /// Reads entries that are made from others.
    pub(super) fn edited(
        &mut self,
        columns: &mut Reader,
        mut old: &[Entry],
        count: usize,
        members: bool,
    ) -> Result<Vec<Entry>, HubFileError> {
        let mut out = Vec::new();
        // Indices of the copied entries in `out`.
        let mut copied = Vec::new();
        let malformed = || Column::Script.malformed("runs");
        loop {
            let len = columns.uint(Column::Script)? as usize;
            let (run, rest) =
                old.split_at_checked(len).filter(|_| len <= count - out.len()).ok_or_else(malformed)?;
            copied.extend(out.len()..out.len() + len);
            out.extend_from_slice(run);
            if out.len() == count {
                break;
            }
            let skipped = columns.uint(Column::Script)? as usize;
            let new = columns.uint(Column::Script)? as usize;
            // Empty runs could be repeated without end.
            if skipped > rest.len() || new > count - out.len() || (len == 0 && new == 0 && skipped == 0) {
                return Err(malformed());
            }
            old = &rest[skipped..];
            self.plain(columns, &mut out, new, members)?;
            if out.len() == count {
                break;
            }
        }
        self.change(columns, &mut out, &copied)?;
        if members {
            for &index in &copied {
                self.last_types[out[index].name.index()] = Some(out[index].ty);
            }
        }
        Ok(out)
    }

    /// Changes the copied entries that differ from the old ones.
    fn change(&self, columns: &mut Reader, out: &mut [Entry], copied: &[usize]) -> Result<(), HubFileError> {
        let mut at = 0u64;
        for _ in 0..columns.uint(Column::Changes)? {
            let change = columns.uint(Column::Changes)?;
            let difference = Difference((change & ((1 << Difference::BITS) - 1)) as u8);
            at = (change >> Difference::BITS).saturating_add(at);
            let index = usize::try_from(at).ok().and_then(|at| copied.get(at));
            let entry = &mut out[*index.ok_or_else(|| Column::Changes.malformed("entries"))?];
            if difference.has(Difference::TYPE) {
                entry.ty = columns.near(Column::ChangedType, entry.ty, self.type_count)?;
            }
            if difference.has(Difference::GAP) {
                entry.gap = columns.int(Column::ChangedGap)?;
            }
            if difference.has(Difference::BITFIELD_SIZE) {
                entry.bitfield_size = columns.below(Column::ChangedGap, 1 << 8, "widths")? as u8;
            }
        }
        Ok(())
    }
}
