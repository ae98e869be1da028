//! Sets of kernels: which of them hold a definition, hold it more than once, or hold some in another order.

use std::collections::HashMap;

use super::HubFileError;
use super::column::{Column, Columns, Unpacked};
use crate::types::{Name, Type, TypeRef, Types};

/// Most definitions of all kernels together, each counted for each kernel that holds it.
const MAX_MEMBERS: u64 = 1 << 28;
/// Most runs of all distinct sets together.
const MAX_RUNS: usize = 1 << 23;
/// Most definitions in one order; a hostile BTF may hold any number under one root.
pub(super) const MAX_ORDER: usize = 4096;
/// Most definitions in all orders together.
const MAX_ORDERED: usize = 1 << 22;

/// Whether a definition can be one of a kernel's own: it has a name, and a relocation can look it up by it.
pub(super) fn is_root(types: &Types, ty: TypeRef) -> bool {
    let named = matches!(
        types.get(ty),
        Type::Int { .. }
            | Type::Float { .. }
            | Type::Composite { .. }
            | Type::Enum { .. }
            | Type::Fwd { .. }
            | Type::Typedef { .. }
    );
    named && types.name_of(ty) != Name::EMPTY
}

/// One kernel's part of a file, by the definitions' numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Holding {
    /// Its definitions, ascending.
    pub(super) types: Vec<u32>,
    /// Those that it holds more than once, ascending.
    pub(super) repeated: Vec<u32>,
    /// Definitions of one root in the order of their first ids, where that is not ascending; sorted.
    pub(super) orders: Vec<Vec<u32>>,
}

/// Kernels in a row: the first one's place, and how many.
type Run = (u32, u32);

/// Collects equal sets: a set is its largest member and the set of the others.
struct Trie {
    nodes: Vec<(u32, u32)>,
    /// The set that a set becomes with the kernel at hand, valid if its second part is that kernel.
    next: Vec<(u32, u32)>,
}

impl Trie {
    fn new() -> Self {
        Self { nodes: vec![(0, u32::MAX)], next: vec![(0, u32::MAX)] }
    }

    fn with(&mut self, set: u32, kernel: u32) -> u32 {
        let next = &mut self.next[set as usize];
        if next.1 != kernel {
            *next = (self.nodes.len() as u32, kernel);
            let new = next.0;
            self.nodes.push((set, kernel));
            self.next.push((0, u32::MAX));
            return new;
        }
        next.0
    }

    /// The kernels of a set.
    fn runs(&self, mut set: u32) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        while set != 0 {
            let (rest, kernel) = self.nodes[set as usize];
            match runs.last_mut() {
                Some(run) if run.0 == kernel + 1 => *run = (kernel, run.1 + 1),
                _ => runs.push((kernel, 1)),
            }
            set = rest;
        }
        runs.reverse();
        runs
    }
}

/// Writes what the kernels hold; `holdings` stand in the order of the kernel table.
pub(super) fn write(out: &mut Columns, types: &Types, holdings: &[Holding]) -> Result<(), HubFileError> {
    if holdings.iter().map(|holding| holding.types.len() as u64).sum::<u64>() > MAX_MEMBERS {
        return Err(HubFileError::TooLarge { what: "sets" });
    }
    let mut trie = Trie::new();
    let mut holders = vec![0u32; types.len()];
    let mut repeated = std::collections::BTreeMap::<u32, u32>::new();
    let mut orders = std::collections::BTreeMap::<&[u32], u32>::new();
    for (kernel, holding) in holdings.iter().enumerate() {
        let kernel = kernel as u32;
        let mut put = |set: &mut u32| *set = trie.with(*set, kernel);
        holding.types.iter().for_each(|&ty| put(&mut holders[ty as usize]));
        holding.repeated.iter().for_each(|&ty| put(repeated.entry(ty).or_default()));
        holding.orders.iter().for_each(|order| put(orders.entry(order).or_default()));
    }
    let held: Vec<u32> =
        types.refs().filter(|&ty| is_root(types, ty)).map(|ty| holders[ty.index()]).collect();
    let used: Vec<u32> =
        held.iter().copied().chain(repeated.values().copied()).chain(orders.values().copied()).collect();
    let numbers = write_sets(out, &trie, &used);
    for set in held {
        out.uint(Column::Holders, numbers[&set].into());
    }
    let mut last = 0;
    for (ty, set) in repeated {
        out.uint(Column::Repeated, u64::from(ty - last));
        out.uint(Column::Repeated, numbers[&set].into());
        last = ty;
    }
    let mut first = 0;
    for (order, set) in orders {
        out.uint(Column::Orders, order.len() as u64);
        let mut last = first;
        for &ty in order {
            out.int(Column::Orders, i64::from(ty) - i64::from(last));
            last = ty;
        }
        first = order.first().copied().unwrap_or(first);
        out.uint(Column::Orders, numbers[&set].into());
    }
    Ok(())
}

/// Writes the distinct sets, those used most first, and numbers them.
fn write_sets(out: &mut Columns, trie: &Trie, used: &[u32]) -> HashMap<u32, u32> {
    let mut uses: HashMap<u32, usize> = HashMap::new();
    used.iter().for_each(|&set| *uses.entry(set).or_default() += 1);
    let mut sets: Vec<(usize, Vec<Run>, u32)> =
        uses.into_iter().map(|(set, uses)| (uses, trie.runs(set), set)).collect();
    sets.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    out.uint(Column::Sets, sets.len() as u64);
    for (_, runs, _) in &sets {
        out.uint(Column::Sets, runs.len() as u64);
        let mut end = 0;
        for &(start, len) in runs {
            out.uint(Column::Sets, u64::from(start - end));
            out.uint(Column::Sets, u64::from(len - 1));
            end = start + len;
        }
    }
    sets.iter().enumerate().map(|(number, (.., set))| (*set, number as u32)).collect()
}

/// What the kernels of a file hold.
#[derive(Debug)]
pub(super) struct Sets {
    runs: Vec<Run>,
    /// End of each set in `runs`.
    ends: Vec<u32>,
    /// For each definition its set, or [`Sets::NONE`] for those that are only parts of others.
    holders: Vec<u32>,
    /// Definitions that kernels hold more than once, and which kernels.
    pub(super) repeated: Vec<(u32, u32)>,
    /// Definitions of one root in another order than theirs, and in which kernels.
    pub(super) orders: Vec<(Vec<u32>, u32)>,
}

impl Sets {
    pub(super) const NONE: u32 = u32::MAX;

    pub(super) fn read(columns: &mut Unpacked, types: &Types, kernels: usize) -> Result<Self, HubFileError> {
        let mut sets = Self {
            runs: Vec::new(),
            ends: Vec::new(),
            holders: Vec::with_capacity(types.len()),
            repeated: Vec::new(),
            orders: Vec::new(),
        };
        sets.read_sets(columns, kernels)?;
        let count = sets.ends.len();
        let sizes: Vec<u64> = (0..count as u32)
            .map(|set| sets.runs(set).iter().map(|&(_, len)| u64::from(len)).sum())
            .collect();
        let mut members = 0u64;
        let mut column = columns.reader(Column::Holders)?;
        for ty in types.refs() {
            let mut set = Self::NONE;
            if is_root(types, ty) {
                set = column.below(count, "sets")?;
                members += sizes[set as usize];
            }
            sets.holders.push(set);
        }
        column.end()?;
        let mut column = columns.reader(Column::Repeated)?;
        let mut ty = 0;
        while column.left() != 0 {
            // Ascending, so that there are no more than definitions.
            let step = column.below(types.len() - ty as usize, "types")?;
            if step == 0 {
                return Err(column.malformed("types"));
            }
            ty += step;
            let set = column.below(count, "sets")?;
            members += sizes[set as usize];
            sets.repeated.push((ty, set));
        }
        let mut column = columns.reader(Column::Orders)?;
        let (mut first, mut ordered) = (0, 0);
        while column.left() != 0 {
            let len = column.below(MAX_ORDER + 1, "lengths")?;
            let (mut order, mut last) = (Vec::new(), first);
            for _ in 0..len {
                last = column.near(last, types.len(), "types")?;
                order.push(last);
            }
            first = order.first().copied().unwrap_or(first);
            let set = column.below(count, "sets")?;
            members += sizes[set as usize] * (1 + u64::from(len));
            ordered += 1 + order.len();
            if ordered > MAX_ORDERED {
                return Err(HubFileError::TooLarge { what: "orders" });
            }
            sets.orders.push((order, set));
        }
        if members > MAX_MEMBERS {
            return Err(HubFileError::TooLarge { what: "sets" });
        }
        Ok(sets)
    }

    fn read_sets(&mut self, columns: &mut Unpacked, kernels: usize) -> Result<(), HubFileError> {
        let mut column = columns.reader(Column::Sets)?;
        let count = column.below(column.left(), "lengths")?;
        for _ in 0..count {
            let mut end = 0;
            for _ in 0..column.below(column.left(), "lengths")? {
                let start = end + column.below(kernels - end as usize, "kernels")?;
                let len = 1 + column.below(kernels - start as usize, "kernels")?;
                end = start + len;
                self.runs.push((start, len));
            }
            if self.runs.len() > MAX_RUNS {
                return Err(HubFileError::TooLarge { what: "sets" });
            }
            self.ends.push(self.runs.len() as u32);
        }
        column.end()
    }

    /// The set of kernels that hold a definition.
    pub(super) fn holders(&self, ty: u32) -> u32 {
        self.holders.get(ty as usize).copied().unwrap_or(Self::NONE)
    }

    fn runs(&self, set: u32) -> &[Run] {
        let Some(&end) = self.ends.get(set as usize) else { return &[] };
        let start =
            set.checked_sub(1).and_then(|before| self.ends.get(before as usize)).copied().unwrap_or(0);
        self.runs.get(start as usize..end as usize).unwrap_or_default()
    }

    /// The kernels of a set, ascending by their places in the kernel table.
    pub(super) fn kernels(&self, set: u32) -> impl Iterator<Item = u32> + '_ {
        self.runs(set).iter().flat_map(|&(start, len)| start..start + len)
    }

    /// Whether a kernel is in a set.
    pub(super) fn contains(&self, set: u32, kernel: u32) -> bool {
        let runs = self.runs(set);
        let after = runs.partition_point(|&(start, _)| start <= kernel);
        after.checked_sub(1).is_some_and(|at| kernel - runs[at].0 < runs[at].1)
    }

    /// What each kernel holds, in the order of the kernel table.
    pub(super) fn holdings(&self, kernels: usize) -> Vec<Holding> {
        let mut holdings = vec![Holding::default(); kernels];
        for ty in 0..self.holders.len() as u32 {
            self.kernels(self.holders(ty)).for_each(|kernel| holdings[kernel as usize].types.push(ty));
        }
        for &(ty, set) in &self.repeated {
            self.kernels(set).for_each(|kernel| holdings[kernel as usize].repeated.push(ty));
        }
        for (order, set) in &self.orders {
            self.kernels(*set).for_each(|kernel| holdings[kernel as usize].orders.push(order.clone()));
        }
        holdings
    }
}
