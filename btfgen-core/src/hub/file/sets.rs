//! Sets of kernels: which of them have a definition, have it more than once, or have some in an order of their own.

use std::collections::{BTreeMap, HashMap};

use super::column::{Column, Columns, Reader};
use super::error::HubFileError;
use super::kernels::KernelRow;
use crate::resolve::RootKind;
use crate::types::{Name, TypeRef, Types};

/// Most definitions of all kernels together, each counted for each kernel that has it.
const MAX_MEMBERS: u64 = 1 << 28;
/// Most runs of all distinct sets together.
const MAX_RUNS: usize = 1 << 23;
/// Most definitions in one order; a hostile BTF may have any number of one name.
pub(super) const MAX_ORDER: usize = 4096;
/// Most definitions in all orders together.
const MAX_ORDERED: usize = 1 << 22;

/// Whether relocations can look the definition up: it is data or a forward declaration, and has a name.
pub(super) fn is_root(types: &Types, ty: TypeRef) -> bool {
    RootKind::of_definition(types.get(ty)).is_some() && types.name_of(ty) != Name::EMPTY
}

/// The types of one kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Holding {
    /// Its named definitions, ascending.
    pub(super) types: Vec<TypeRef>,
    /// Those that it has more than once, ascending.
    pub(super) repeated: Vec<TypeRef>,
    /// Definitions of one kind and essential name in the order of their first ids, where that is not the canonical one;
    /// ascending.
    pub(super) orders: Vec<Vec<TypeRef>>,
}

impl Holding {
    pub(super) fn new(
        mut types: Vec<TypeRef>,
        mut repeated: Vec<TypeRef>,
        mut orders: Vec<Vec<TypeRef>>,
    ) -> Self {
        for list in [&mut types, &mut repeated] {
            list.sort_unstable();
            list.dedup();
        }
        orders.sort_unstable();
        orders.dedup();
        Self { types, repeated, orders }
    }

    /// The same with references to another store.
    pub(super) fn map<E>(
        &self,
        mut reference: impl FnMut(TypeRef) -> Result<TypeRef, E>,
    ) -> Result<Self, HubFileError>
    where
        HubFileError: From<E>,
    {
        let mut map = |list: &[TypeRef]| -> Result<Vec<TypeRef>, HubFileError> {
            list.iter().map(|&ty| reference(ty).map_err(HubFileError::from)).collect()
        };
        let orders = self.orders.iter().map(|order| map(order)).collect::<Result<_, _>>()?;
        Ok(Self::new(map(&self.types)?, map(&self.repeated)?, orders))
    }
}

/// Consecutive rows of the kernel table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Run {
    start: u32,
    len: u32,
}

/// Adds a kernel to a set; kernels must be added in ascending order.
pub(super) fn add(set: &mut Vec<Run>, kernel: KernelRow) {
    match set.last_mut() {
        Some(run) if run.start + run.len == kernel.0 => run.len += 1,
        _ => set.push(Run { start: kernel.0, len: 1 }),
    }
}

/// Writes the types of the kernels, and returns the ids of the sets; `holdings` are in the order of the kernel table.
pub(super) fn write(out: &mut Columns, types: &Types, holdings: &[Holding]) -> Result<SetIds, HubFileError> {
    if holdings.iter().map(|holding| holding.types.len() as u64).sum::<u64>() > MAX_MEMBERS {
        return Err(HubFileError::TooLarge { what: "types of kernels" });
    }
    let mut holders: Vec<Vec<Run>> = vec![Vec::new(); types.len()];
    let mut repeated: BTreeMap<TypeRef, Vec<Run>> = BTreeMap::new();
    let mut orders: BTreeMap<&[TypeRef], Vec<Run>> = BTreeMap::new();
    for (row, holding) in holdings.iter().enumerate() {
        let kernel = KernelRow(row as u32);
        holding.types.iter().for_each(|ty| add(&mut holders[ty.index()], kernel));
        holding.repeated.iter().for_each(|&ty| add(repeated.entry(ty).or_default(), kernel));
        holding.orders.iter().for_each(|order| add(orders.entry(order).or_default(), kernel));
    }
    let held: Vec<&[Run]> =
        types.refs().filter(|&ty| is_root(types, ty)).map(|ty| holders[ty.index()].as_slice()).collect();
    let others = repeated.values().chain(orders.values()).map(Vec::as_slice);
    let mut ids = SetIds::default();
    ids.write(out, Column::Sets, held.iter().copied().chain(others));
    for set in held {
        out.uint(Column::Holders, ids.get(set));
    }
    let mut last = TypeRef::VOID;
    for (ty, set) in &repeated {
        out.uint(Column::Repeated, u64::from(ty.number() - last.number()));
        out.uint(Column::Repeated, ids.get(set));
        last = *ty;
    }
    let mut first = TypeRef::VOID;
    for (order, set) in &orders {
        out.uint(Column::Orders, order.len() as u64);
        let mut last = first;
        for &ty in *order {
            out.int(Column::Orders, i64::from(ty.number()) - i64::from(last.number()));
            last = ty;
        }
        first = order.first().copied().unwrap_or(first);
        out.uint(Column::Orders, ids.get(set));
    }
    Ok(ids)
}

/// The ids of the sets that were written.
#[derive(Default)]
pub(super) struct SetIds(HashMap<Vec<Run>, u64>);

impl SetIds {
    /// The id of a set that was written.
    pub(super) fn get(&self, set: &[Run]) -> u64 {
        self.0[set]
    }

    /// Writes the distinct sets that were not written before, the most used ones first.
    pub(super) fn write<'s>(
        &mut self,
        out: &mut Columns,
        column: Column,
        used: impl Iterator<Item = &'s [Run]>,
    ) {
        let mut uses: HashMap<&[Run], usize> = HashMap::new();
        used.filter(|&set| !self.0.contains_key(set)).for_each(|set| *uses.entry(set).or_default() += 1);
        let mut sets: Vec<(&[Run], usize)> = uses.into_iter().collect();
        sets.sort_unstable_by(|(a, a_uses), (b, b_uses)| b_uses.cmp(a_uses).then_with(|| a.cmp(b)));
        out.uint(column, sets.len() as u64);
        for (set, _) in sets {
            out.uint(column, set.len() as u64);
            let mut end = 0;
            for run in set {
                out.uint(column, u64::from(run.start - end));
                out.uint(column, u64::from(run.len - 1));
                end = run.start + run.len;
            }
            self.0.insert(set.to_vec(), self.0.len() as u64);
        }
    }
}

/// A set of kernels, as a file numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SetId(pub(super) u32);

/// A definition that kernels have more than once.
#[derive(Debug)]
pub(super) struct Repeated {
    pub(super) ty: TypeRef,
    pub(super) kernels: SetId,
}

/// Definitions of one kind and essential name, in the order of their first ids in some kernels.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) types: Vec<TypeRef>,
    pub(super) kernels: SetId,
}

/// The distinct sets of kernels of a file.
#[derive(Debug, Default)]
pub(super) struct KernelSets {
    /// The runs of all sets.
    runs: Vec<Run>,
    /// For each set the end of its runs.
    ends: Vec<usize>,
}

impl KernelSets {
    /// Reads the sets of a column, whose ids continue those of the sets that were read before.
    pub(super) fn read(
        &mut self,
        columns: &mut Reader,
        column: Column,
        kernels: usize,
    ) -> Result<(), HubFileError> {
        let count = columns.below(column, columns.left(column), "lengths")?;
        for _ in 0..count {
            let mut end = 0;
            for _ in 0..columns.below(column, columns.left(column), "lengths")? {
                let start = end + columns.below(column, kernels - end as usize, "kernels")?;
                let len = 1 + columns.below(column, kernels - start as usize, "kernels")?;
                end = start + len;
                self.runs.push(Run { start, len });
            }
            if self.runs.len() > MAX_RUNS {
                return Err(HubFileError::TooLarge { what: "sets" });
            }
            self.ends.push(self.runs.len());
        }
        Ok(())
    }

    /// Number of sets.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Number of kernels of each set.
    pub(super) fn sizes(&self) -> Vec<u64> {
        let size = |set| self.runs(SetId(set)).iter().map(|run| u64::from(run.len)).sum();
        (0..self.len() as u32).map(size).collect()
    }

    pub(super) fn runs(&self, SetId(set): SetId) -> &[Run] {
        let set = set as usize;
        let start = set.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.runs[start..self.ends[set]]
    }

    /// The kernels of a set, ascending.
    pub(super) fn kernels(&self, set: SetId) -> impl Iterator<Item = KernelRow> + '_ {
        self.runs(set).iter().flat_map(|run| run.start..run.start + run.len).map(KernelRow)
    }
}

/// The types of all kernels of a file.
#[derive(Debug)]
pub(super) struct Sets {
    sets: KernelSets,
    /// For each definition the kernels that have it; none for those that are only parts of others.
    holders: Vec<Option<SetId>>,
    /// Ascending by definition.
    pub(super) repeated: Vec<Repeated>,
    pub(super) orders: Vec<Order>,
}

impl Sets {
    pub(super) fn read(columns: &mut Reader, types: &Types, kernels: usize) -> Result<Self, HubFileError> {
        let mut sets = Self {
            sets: KernelSets::default(),
            holders: Vec::with_capacity(types.len()),
            repeated: Vec::new(),
            orders: Vec::new(),
        };
        sets.sets.read(columns, Column::Sets, kernels)?;
        let sizes = sets.sets.sizes();
        let count = sizes.len();
        let mut members = 0u64;
        for ty in types.refs() {
            let mut holders = None;
            if is_root(types, ty) {
                let set = columns.below(Column::Holders, count, "sets")?;
                members += sizes[set as usize];
                holders = Some(SetId(set));
            }
            sets.holders.push(holders);
        }
        let column = Column::Repeated;
        let mut ty = 0;
        while columns.left(column) != 0 {
            // Ascending, so that there are no more than definitions.
            let step = columns.below(column, types.len() - ty as usize, "types")?;
            if step == 0 {
                return Err(column.malformed("types"));
            }
            ty += step;
            let set = columns.below(column, count, "sets")?;
            members += sizes[set as usize];
            sets.repeated.push(Repeated { ty: TypeRef::at(ty), kernels: SetId(set) });
        }
        let column = Column::Orders;
        let (mut first, mut ordered) = (TypeRef::VOID, 0);
        while columns.left(column) != 0 {
            let len = columns.below(column, MAX_ORDER + 1, "lengths")?;
            let (mut order, mut last) = (Vec::new(), first);
            for _ in 0..len {
                last = columns.near(column, last, types.len())?;
                order.push(last);
            }
            first = order.first().copied().unwrap_or(first);
            let set = columns.below(column, count, "sets")?;
            members += sizes[set as usize] * (1 + u64::from(len));
            ordered += 1 + order.len();
            if ordered > MAX_ORDERED {
                return Err(HubFileError::TooLarge { what: "orders" });
            }
            sets.orders.push(Order { types: order, kernels: SetId(set) });
        }
        if members > MAX_MEMBERS {
            return Err(HubFileError::TooLarge { what: "types of kernels" });
        }
        Ok(sets)
    }

    /// The kernels that have a definition; none for those that are only parts of others.
    pub(super) fn holders(&self, ty: TypeRef) -> Option<SetId> {
        self.holders.get(ty.index()).copied().flatten()
    }

    /// The kernels of a set, ascending.
    pub(super) fn kernels(&self, set: SetId) -> impl Iterator<Item = KernelRow> + '_ {
        self.sets.kernels(set)
    }

    /// Whether a kernel is in a set.
    pub(super) fn contains(&self, set: SetId, KernelRow(kernel): KernelRow) -> bool {
        let runs = self.sets.runs(set);
        let after = runs.partition_point(|run| run.start <= kernel);
        after.checked_sub(1).is_some_and(|last| kernel - runs[last].start < runs[last].len)
    }

    /// The types of each kernel, in the order of the kernel table.
    pub(super) fn holdings(&self, kernels: usize) -> Vec<Holding> {
        let mut holdings = vec![Holding::default(); kernels];
        for (ty, holders) in self.holders.iter().enumerate() {
            let Some(holders) = *holders else { continue };
            let ty = TypeRef::at(ty as u32);
            self.kernels(holders).for_each(|kernel| holdings[kernel.index()].types.push(ty));
        }
        for Repeated { ty, kernels } in &self.repeated {
            self.kernels(*kernels).for_each(|kernel| holdings[kernel.index()].repeated.push(*ty));
        }
        for Order { types, kernels } in &self.orders {
            self.kernels(*kernels).for_each(|kernel| holdings[kernel.index()].orders.push(types.clone()));
        }
        holdings
    }
}
