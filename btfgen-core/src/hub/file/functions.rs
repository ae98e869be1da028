//! Functions: which kernels have each, and in which of them it is attachable.

use super::column::{Column, Columns, Reader};
use super::error::HubFileError;
use super::kernels::KernelRow;
use super::read_types::read_names;
use super::sets::{KernelSets, Run, SetId, SetIds, add};
use super::write_types::{MAX_NAME_BYTES, write_names};
use crate::hub::Attachability;
use crate::hub::function::{Function, MAX_WORDS};
use crate::memo::Memo;
use crate::types::{Name, Names};

/// Most functions of one file.
const MAX_FUNCTIONS: usize = 1 << 22;
/// Most functions of all kernels together, each counted for each set that has it.
const MAX_MEMBERS: u64 = 1 << 29;
/// Flags in a function's byte of [`Column::FunctionShape`]; the rest is the number of argument words plus 1, or 0.
const IS_KFUNC: u8 = 0x80;
const HAS_MODULE: u8 = 0x40;

/// Index of a function in a [`FunctionStore`] or a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FunctionId(u32);

impl FunctionId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Distinct functions, in the order of adding.
#[derive(Clone, Default)]
pub(super) struct FunctionStore {
    functions: Vec<Function>,
    ids: Memo<Function, FunctionId>,
}

impl FunctionStore {
    /// The id of a function, which is added if it is new.
    pub(super) fn add(&mut self, function: Function) -> FunctionId {
        let Self { functions, ids } = self;
        *ids.entry(function).or_insert_with_key(|function| {
            functions.push(function.clone());
            FunctionId(functions.len() as u32 - 1)
        })
    }

    /// Adds the functions of another store, and returns the new id of each.
    pub(super) fn add_all(&mut self, other: &Self) -> Vec<FunctionId> {
        other.functions.iter().map(|function| self.add(function.clone())).collect()
    }

    fn get(&self, id: FunctionId) -> &Function {
        &self.functions[id.index()]
    }
}

/// The functions of one kernel; none if its source does not tell. Each list is ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KernelFunctions {
    all: Vec<FunctionId>,
    /// Those of each attachability, in the order of [`Attachability::KNOWN`].
    attachability: [Vec<FunctionId>; 3],
}

/// The columns of the attachabilities, in the order of [`Attachability::KNOWN`].
const ATTACHABILITY: [Column; 3] = [Column::Attachable, Column::TraceOnly, Column::Unattachable];

impl KernelFunctions {
    /// Functions and whether each is attachable.
    pub(super) fn new(functions: impl Iterator<Item = (FunctionId, Attachability)>) -> Self {
        let mut own = Self::default();
        for (id, attachability) in functions {
            own.all.push(id);
            if let Some(at) = Attachability::KNOWN.iter().position(|known| *known == attachability) {
                own.attachability[at].push(id);
            }
        }
        own.sorted()
    }

    fn sorted(mut self) -> Self {
        let mut known: Vec<FunctionId> = Vec::new();
        // Of two attachabilities the first counts.
        for list in std::iter::once(&mut self.all).chain(&mut self.attachability) {
            list.sort_unstable();
            list.dedup();
        }
        for list in &mut self.attachability {
            list.retain(|id| known.binary_search(id).is_err());
            known.extend_from_slice(list);
            known.sort_unstable();
        }
        self
    }

    /// The same with ids of another store.
    pub(super) fn map(&self, id: impl Fn(FunctionId) -> FunctionId) -> Self {
        let map = |list: &[FunctionId]| list.iter().map(|&old| id(old)).collect();
        Self { all: map(&self.all), attachability: self.attachability.each_ref().map(|list| map(list)) }
            .sorted()
    }

    /// Adds what another source of the kernel tells. The outcome does not depend on the order of the sources.
    pub(super) fn merge(&mut self, other: Self) {
        self.all.extend(other.all);
        self.attachability.iter_mut().zip(other.attachability).for_each(|(own, other)| own.extend(other));
        *self = std::mem::take(self).sorted();
    }
}

/// Writes the functions of the kernels, which are in the order of the kernel table; nothing if there are none.
pub(super) fn write(
    out: &mut Columns,
    store: &FunctionStore,
    kernels: &[&KernelFunctions],
    mut ids: SetIds,
) -> Result<(), HubFileError> {
    let members = kernels.iter().flat_map(|kernel| std::iter::once(&kernel.all).chain(&kernel.attachability));
    if members.map(|list| list.len() as u64).sum::<u64>() > MAX_MEMBERS {
        return Err(HubFileError::TooLarge { what: "functions of kernels" });
    }
    let sets = |list: &dyn Fn(&KernelFunctions) -> &[FunctionId]| {
        let mut sets: Vec<Vec<Run>> = vec![Vec::new(); store.functions.len()];
        for (row, kernel) in kernels.iter().enumerate() {
            list(kernel).iter().for_each(|id| add(&mut sets[id.index()], KernelRow(row as u32)));
        }
        sets
    };
    let holders = sets(&|kernel| &kernel.all);
    let attachability = [0, 1, 2].map(|at| sets(&move |kernel| &kernel.attachability[at]));
    let mut order: Vec<FunctionId> = (0..store.functions.len() as u32).map(FunctionId).collect();
    order.retain(|id| !holders[id.index()].is_empty());
    order.sort_unstable_by_key(|&id| store.get(id));
    if order.is_empty() {
        return Ok(());
    }
    if order.len() > MAX_FUNCTIONS {
        return Err(HubFileError::TooLarge { what: "functions" });
    }
    let functions: Vec<&Function> = order.iter().map(|&id| store.get(id)).collect();
    if functions.iter().map(|function| function.name.len()).sum::<usize>() > MAX_NAME_BYTES {
        return Err(HubFileError::TooLarge { what: "bytes of names" });
    }
    let names = functions.iter().map(|function| &*function.name);
    write_names(out, Column::FunctionShared, Column::FunctionTail, names);
    write_shapes(out, &functions);

    let columns: Vec<_> = std::iter::once((Column::FunctionHolders, holders))
        .chain(ATTACHABILITY.into_iter().zip(attachability))
        .collect();
    let used = columns.iter().flat_map(|(_, sets)| order.iter().map(|id| sets[id.index()].as_slice()));
    ids.write(out, Column::FunctionSets, used);
    for (column, sets) in &columns {
        // Most hubs know nothing of attachability.
        if sets.iter().any(|set| !set.is_empty()) {
            order.iter().for_each(|id| out.uint(*column, ids.get(&sets[id.index()])));
        }
    }
    Ok(())
}

fn write_shapes(out: &mut Columns, functions: &[&Function]) {
    let mut modules: Vec<&str> = functions.iter().filter_map(|function| function.module.as_deref()).collect();
    modules.sort_unstable();
    modules.dedup();
    for module in &modules {
        let raw = out.raw(Column::ModuleName);
        raw.extend_from_slice(module.as_bytes());
        raw.push(0);
    }
    for function in functions {
        let mut shape = function.argument_words.map_or(0, |words| words + 1);
        if function.is_kfunc {
            shape |= IS_KFUNC;
        }
        if let Some(module) = function.module.as_deref().and_then(|name| modules.binary_search(&name).ok()) {
            shape |= HAS_MODULE;
            out.uint(Column::FunctionModule, module as u64);
        }
        out.raw(Column::FunctionShape).push(shape);
    }
}

/// A function of a file, apart from its name.
struct Shape {
    argument_words: Option<u8>,
    is_kfunc: bool,
    /// Index of its module.
    module: Option<u32>,
    holders: SetId,
    attachability: [Option<SetId>; 3],
}

/// The functions of a file, ascending by name.
pub(super) struct Functions {
    /// The empty name, and that of each function.
    names: Names,
    shapes: Vec<Shape>,
    modules: Vec<String>,
    sets: KernelSets,
}

/// A function of a file, and the kernels that have it.
pub(super) struct FunctionRow<'f> {
    pub(super) name: &'f [u8],
    pub(super) argument_words: Option<u8>,
    pub(super) is_kfunc: bool,
    pub(super) module: Option<&'f str>,
    pub(super) holders: SetId,
    /// In the order of [`Attachability::KNOWN`].
    pub(super) attachability: [Option<SetId>; 3],
}

impl Functions {
    /// Reads the functions; none if the file has no columns for them.
    pub(super) fn read(columns: &mut Reader, kernels: usize) -> Result<Self, HubFileError> {
        let mut sets = KernelSets::default();
        sets.read(columns, Column::Sets, kernels)?;
        if columns.left(Column::FunctionSets) != 0 {
            sets.read(columns, Column::FunctionSets, kernels)?;
        }
        let names = read_names(columns, Column::FunctionShared, Column::FunctionTail)?;
        let count = names.len() - 1;
        if count > MAX_FUNCTIONS {
            return Err(HubFileError::TooLarge { what: "functions" });
        }
        let name = |index: usize| names.get(Name::at(index as u32));
        if (1..=count).any(|index| name(index).is_empty() || name(index) < name(index - 1)) {
            return Err(Column::FunctionTail.malformed("order"));
        }
        let mut modules = Vec::new();
        while columns.left(Column::ModuleName) != 0 {
            modules.push(String::from_utf8_lossy(columns.text(Column::ModuleName)?).into_owned());
        }
        let sizes = sets.sizes();
        let mut members = 0;
        let mut set = |columns: &mut Reader, column| {
            let id = columns.below(column, sizes.len(), "sets")?;
            members += sizes[id as usize];
            if members > MAX_MEMBERS {
                return Err(HubFileError::TooLarge { what: "functions of kernels" });
            }
            Ok(SetId(id))
        };
        let is_known = ATTACHABILITY.map(|column| columns.left(column) != 0);
        let mut shapes = Vec::with_capacity(count);
        for _ in 0..count {
            let shape = columns.byte(Column::FunctionShape)?;
            let words = (shape & !(IS_KFUNC | HAS_MODULE)).checked_sub(1);
            if words.is_some_and(|words| words > MAX_WORDS) {
                return Err(Column::FunctionShape.malformed("argument words"));
            }
            let module = match shape & HAS_MODULE {
                0 => None,
                _ => Some(columns.below(Column::FunctionModule, modules.len(), "modules")?),
            };
            let mut attachability = [None; 3];
            for ((own, column), is_known) in attachability.iter_mut().zip(ATTACHABILITY).zip(is_known) {
                *own = is_known.then(|| set(columns, column)).transpose()?;
            }
            shapes.push(Shape {
                argument_words: words,
                is_kfunc: shape & IS_KFUNC != 0,
                module,
                holders: set(columns, Column::FunctionHolders)?,
                attachability,
            });
        }
        Ok(Self { names, shapes, modules, sets })
    }

    fn row(&self, index: usize) -> FunctionRow<'_> {
        let Shape { argument_words, is_kfunc, module, holders, attachability } = self.shapes[index];
        let module = module.and_then(|module| Some(&**self.modules.get(module as usize)?));
        FunctionRow { name: self.name(index), argument_words, is_kfunc, module, holders, attachability }
    }

    fn name(&self, index: usize) -> &[u8] {
        self.names.get(Name::at(index as u32 + 1))
    }

    /// All functions.
    pub(super) fn rows(&self) -> impl Iterator<Item = FunctionRow<'_>> {
        (0..self.shapes.len()).map(|index| self.row(index))
    }

    /// The functions of a name: with other arguments, in modules, kfuncs and others.
    pub(super) fn named(&self, name: &[u8]) -> impl Iterator<Item = FunctionRow<'_>> {
        // Binary search: the names are sorted.
        let (mut start, mut end) = (0, self.shapes.len());
        while start < end {
            let middle = start.midpoint(end);
            if self.name(middle) < name { start = middle + 1 } else { end = middle }
        }
        let is_named = move |row: &FunctionRow<'_>| row.name == name;
        (start..self.shapes.len()).map(|index| self.row(index)).take_while(is_named)
    }

    /// The kernels of a set, ascending.
    pub(super) fn kernels(&self, set: SetId) -> impl Iterator<Item = KernelRow> + '_ {
        self.sets.kernels(set)
    }

    /// The functions of each kernel with the ids of a store, in the order of the kernel table.
    pub(super) fn of_kernels(&self, store: &mut FunctionStore, kernels: usize) -> Vec<KernelFunctions> {
        let mut lists = vec![KernelFunctions::default(); kernels];
        for row in self.rows() {
            let FunctionRow { argument_words, is_kfunc, .. } = row;
            let (name, module) = (row.name.into(), row.module.map(Into::into));
            let id = store.add(Function { name, module, argument_words, is_kfunc });
            self.kernels(row.holders).for_each(|kernel| lists[kernel.index()].all.push(id));
            for (at, set) in row.attachability.into_iter().enumerate() {
                let kernels = set.into_iter().flat_map(|set| self.kernels(set));
                kernels.for_each(|kernel| lists[kernel.index()].attachability[at].push(id));
            }
        }
        lists.into_iter().map(KernelFunctions::sorted).collect()
    }
}
