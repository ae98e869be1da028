//! Entries: members and enumerators, written as what differs from an earlier definition's.
//!
//! Most definitions of a hub file are one of many versions of a struct, so an entry is mostly the same as in the
//! version before. A *script* tells runs of entries that are copied, left out and new.

use super::HubFileError;
use super::column::{Column, Columns, Reader, Unpacked};

/// Most entries of one definition, as BTF has it.
pub(super) const MAX_ENTRIES: usize = 0xffff;

/// A member or an enumerator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Entry {
    /// Its name's place.
    pub(super) name: u32,
    /// A member's type; 0 for an enumerator.
    pub(super) ty: u32,
    /// Distance from where it is expected: behind the one before.
    pub(super) gap: i64,
    /// A bitfield's width.
    pub(super) bits: u8,
}

const TYPE: u8 = 1;
const GAP: u8 = 2;
const BITS: u8 = 4;

fn changes(old: Entry, new: Entry) -> u8 {
    let flag = |differs, flag| if differs { flag } else { 0 };
    flag(old.ty != new.ty, TYPE) | flag(old.gap != new.gap, GAP) | flag(old.bits != new.bits, BITS)
}

/// Pairs of places of entries that correspond, ascending in both.
///
/// The n-th entry of a name corresponds to the n-th of that name; of these pairs, the longest ascending sequence.
fn align(old: &[Entry], new: &[Entry]) -> Vec<(usize, usize)> {
    let keyed = |entries: &[Entry]| {
        let mut keys: Vec<(u32, usize)> =
            entries.iter().enumerate().map(|(place, entry)| (entry.name, place)).collect();
        keys.sort_unstable();
        keys
    };
    let (left, right) = (keyed(old), keyed(new));
    let mut place_of = vec![usize::MAX; new.len()];
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        match left[i].0.cmp(&right[j].0) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                place_of[right[j].1] = left[i].1;
                i += 1;
                j += 1;
            }
        }
    }
    // Longest ascending subsequence, by the last elements of the best sequences of each length.
    let mut tails: Vec<usize> = Vec::new();
    let mut before = vec![usize::MAX; new.len()];
    for place in 0..new.len() {
        if place_of[place] == usize::MAX {
            continue;
        }
        let len = tails.partition_point(|&tail| place_of[tail] < place_of[place]);
        before[place] = len.checked_sub(1).map_or(usize::MAX, |last| tails[last]);
        if len == tails.len() { tails.push(place) } else { tails[len] = place }
    }
    let mut pairs = Vec::with_capacity(tails.len());
    let mut at = tails.last().copied().unwrap_or(usize::MAX);
    while at != usize::MAX {
        pairs.push((place_of[at], at));
        at = before[at];
    }
    pairs.reverse();
    pairs
}

/// How one list of entries is made from another.
pub(super) struct Edit {
    pairs: Vec<(usize, usize)>,
    /// About how many bytes it takes.
    pub(super) cost: usize,
}

/// About how many bytes entries take when nothing is copied.
pub(super) fn plain_cost(new: &[Entry]) -> usize {
    new.len() * 5
}

impl Edit {
    pub(super) fn new(old: &[Entry], new: &[Entry]) -> Self {
        let pairs = align(old, new);
        let changed = pairs.iter().filter(|&&(i, j)| changes(old[i], new[j]) != 0).count();
        let breaks = pairs.windows(2).filter(|pair| pair[1].0 != pair[0].0 + 1 || pair[1].1 != pair[0].1 + 1);
        let cost = 1 + 3 * changed + 2 * breaks.count() + 5 * (new.len() - pairs.len());
        Self { pairs, cost }
    }
}

/// Writes the entries of definition after definition.
pub(super) struct EntryWriter {
    /// For each name the type last seen with it, plus one.
    types: Vec<u32>,
}

impl EntryWriter {
    pub(super) fn new(names: usize) -> Self {
        Self { types: vec![0; names] }
    }

    pub(super) fn plain(&mut self, out: &mut Columns, entries: &[Entry], members: bool) {
        for &entry in entries {
            self.entry(out, entry, members);
        }
    }

    fn entry(&mut self, out: &mut Columns, entry: Entry, members: bool) {
        out.uint(Column::EntryName, entry.name.into());
        out.int(Column::EntryGap, entry.gap);
        if members {
            let known = &mut self.types[entry.name as usize];
            let same = *known == entry.ty + 1;
            out.uint(Column::EntryType, if same { 0 } else { u64::from(entry.ty) + 1 });
            *known = entry.ty + 1;
            out.raw(Column::EntryBits).push(entry.bits);
        }
    }

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
            while pairs.next_if_eq(&(i, j)).is_some() {
                let mask = changes(old[i], new[j]);
                if mask != 0 {
                    changed.push((copied, mask, old[i], new[j]));
                }
                copied += 1;
                i += 1;
                j += 1;
            }
            out.uint(Column::Script, (j - start) as u64);
            if j == new.len() {
                break;
            }
            let (next_old, next_new) = pairs.peek().copied().unwrap_or((i, new.len()));
            out.uint(Column::Script, (next_old - i) as u64);
            out.uint(Column::Script, (next_new - j) as u64);
            self.plain(out, &new[j..next_new], members);
            (i, j) = (next_old, next_new);
        }
        out.uint(Column::Changes, changed.len() as u64);
        if members {
            for &(_, j) in &edit.pairs {
                self.types[new[j].name as usize] = new[j].ty + 1;
            }
        }
        let mut last = 0;
        for (place, mask, old, new) in changed {
            out.uint(Column::Changes, ((place - last) as u64) << 3 | u64::from(mask));
            last = place;
            if mask & TYPE != 0 {
                out.int(Column::ChangedType, i64::from(new.ty) - i64::from(old.ty));
            }
            if mask & GAP != 0 {
                out.int(Column::ChangedGap, new.gap);
            }
            if mask & BITS != 0 {
                out.uint(Column::ChangedGap, new.bits.into());
            }
        }
    }
}

/// Reads the entries of definition after definition.
pub(super) struct EntryReader {
    script: Reader,
    changes: Reader,
    changed_type: Reader,
    changed_gap: Reader,
    name: Reader,
    ty: Reader,
    gap: Reader,
    bits: Reader,
    types: Vec<u32>,
    type_count: usize,
    /// Places of the copied entries.
    copied: Vec<u32>,
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
            bits: open(Column::EntryBits)?,
            types: vec![0; names],
            type_count,
            copied: Vec::new(),
        })
    }

    pub(super) fn plain(
        &mut self,
        out: &mut Vec<Entry>,
        count: usize,
        members: bool,
    ) -> Result<(), HubFileError> {
        for _ in 0..count {
            let name = self.name.below(self.types.len(), "names")?;
            let mut entry = Entry { name, gap: self.gap.int()?, ..Entry::default() };
            if members {
                let known = &mut self.types[name as usize];
                let ty = self.ty.below(self.type_count + 1, "types")?;
                if ty != 0 {
                    *known = ty;
                }
                entry.ty = known.checked_sub(1).ok_or_else(|| self.ty.malformed("types"))?;
                entry.bits = self.bits.byte()?;
            }
            out.push(entry);
        }
        Ok(())
    }

    /// Appends to `out` the entries made from those at `old` in it.
    pub(super) fn edited(
        &mut self,
        out: &mut Vec<Entry>,
        old: std::ops::Range<usize>,
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
            self.copied.extend((out.len()..out.len() + len).map(|place| place as u32));
            out.extend_from_within(from..from + len);
            from += len;
            if out.len() == end {
                break;
            }
            let (skipped, new) = (self.script.uint()? as usize, self.script.uint()? as usize);
            // A run of nothing would be read without end.
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
            at = (change >> 3).saturating_add(at);
            let place = usize::try_from(at).ok().and_then(|at| self.copied.get(at));
            let place = place.ok_or_else(|| self.changes.malformed("places"))?;
            let entry = &mut out[*place as usize];
            if change & u64::from(TYPE) != 0 {
                entry.ty = self.changed_type.near(entry.ty, self.type_count, "types")?;
            }
            if change & u64::from(GAP) != 0 {
                entry.gap = self.changed_gap.int()?;
            }
            if change & u64::from(BITS) != 0 {
                entry.bits = u8::try_from(self.changed_gap.uint()?)
                    .map_err(|_| self.changed_gap.malformed("widths"))?;
            }
        }
        if members {
            for &place in &self.copied {
                let entry = out[place as usize];
                self.types[entry.name as usize] = entry.ty + 1;
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
            &self.bits,
        ];
        all.iter().try_for_each(|reader| reader.end())
    }
}
