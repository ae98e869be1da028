//! Queries: which kernels have a definition or a function.

use std::collections::HashSet;

use super::error::HubFileError;
use super::functions::{FunctionRow, Functions};
use super::kernel_set::KernelSet;
use super::kernels::KernelRow;
use super::open::{Graph, HubFile};
use super::sets::SetId;
use crate::hub::Attachability;
use crate::memo::Memo;
use crate::types::{TypeRef, Types};

/// A function, and the kernels that have it, by their indices in [`HubFile::kernels`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionFacts<'h> {
    /// Number of 8-byte words that its arguments take; none if no kernel makes a trampoline for it.
    pub argument_words: Option<u8>,
    /// Whether it has the declaration tag `bpf_kfunc`.
    pub is_kfunc: bool,
    /// Its module; none for a function of the kernel itself.
    pub module: Option<&'h str>,
    /// The kernels that have it.
    pub kernels: KernelSet,
    /// Those in which it is known to be attachable.
    pub attachable: KernelSet,
    /// Those of them in which it takes trampolines, but no kprobe.
    pub trace_only: KernelSet,
    /// Those in which it is known not to be.
    pub unattachable: KernelSet,
}

impl FunctionFacts<'_> {
    /// Whether it is attachable in a kernel.
    pub fn attachability(&self, kernel: usize) -> Attachability {
        let sets = [&self.attachable, &self.trace_only, &self.unattachable];
        let known = Attachability::KNOWN.into_iter().zip(sets).find(|(_, set)| set.contains(kernel));
        known.map_or(Attachability::Unknown, |(attachability, _)| attachability)
    }
}

/// Functions of the kernels of a hub file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionSummary {
    /// Number of distinct functions.
    pub distinct: usize,
    /// For each kernel of [`HubFile::kernels`] the number of its functions; 0 if they are not known.
    pub of_kernels: Vec<usize>,
    /// For each kernel the number of functions that are known to be attachable.
    pub attachable: Vec<usize>,
    /// The kernels whose functions are known.
    pub with_functions: KernelSet,
    /// The kernels that have functions with the declaration tag `bpf_kfunc`.
    pub with_kfunc_tags: KernelSet,
}

/// A hub file whose types and functions are decoded.
#[derive(Clone, Copy)]
pub(crate) struct Decoded<'h> {
    hub: &'h HubFile,
    graph: &'h Graph,
    functions: &'h Functions,
}

impl<'h> Decoded<'h> {
    /// The definitions of all kernels.
    pub(crate) fn types(self) -> &'h Types {
        &self.graph.types
    }

    /// The kernels in which a definition is a candidate.
    pub(crate) fn kernels_with(self, ty: TypeRef) -> KernelSet {
        let sets = &self.graph.sets;
        self.hub.kernel_set(sets.holders(ty).into_iter().flat_map(|set| sets.kernels(set)))
    }

    /// The functions of a name.
    pub(crate) fn functions(self, name: &[u8]) -> Vec<FunctionFacts<'h>> {
        self.functions.named(name).map(|row| self.facts(row)).collect()
    }

    /// The kernels that have functions of a module.
    pub(crate) fn kernels_with_module(self, module: &str) -> KernelSet {
        let rows = self.functions.rows().filter(|row| row.module == Some(module));
        let sets: HashSet<_> = rows.map(|row| row.holders).collect();
        self.hub.kernel_set(sets.into_iter().flat_map(|set| self.functions.kernels(set)))
    }

    /// The functions whose names are accepted.
    pub(crate) fn functions_where(self, accept: impl Fn(&[u8]) -> bool) -> Vec<FunctionFacts<'h>> {
        self.functions.rows().filter(|row| accept(row.name)).map(|row| self.facts(row)).collect()
    }

    fn facts(self, row: FunctionRow<'h>) -> FunctionFacts<'h> {
        let kernels = |set| self.hub.kernel_set(self.functions.kernels(set));
        let [attachable, trace_only, unattachable] =
            row.attachability.map(|set| set.map(kernels).unwrap_or_default());
        FunctionFacts {
            argument_words: row.argument_words,
            is_kfunc: row.is_kfunc,
            module: row.module,
            kernels: kernels(row.holders),
            attachable,
            trace_only,
            unattachable,
        }
    }
}

/// The number of functions that have each set of kernels.
type Counts = Memo<SetId, usize>;

impl HubFile {
    /// Decodes types and functions, if that is not done yet.
    pub(crate) fn decoded(&self) -> Result<Decoded<'_>, HubFileError> {
        Ok(Decoded { hub: self, graph: self.graph()?, functions: self.functions()? })
    }

    /// Counts the functions of all kernels.
    ///
    /// # Errors
    /// When a column is damaged.
    pub fn function_summary(&self) -> Result<FunctionSummary, HubFileError> {
        let functions = self.functions()?;
        // Many functions share a set of kernels.
        let (mut holders, mut attachable): (Counts, Counts) = Default::default();
        let mut kfuncs = HashSet::new();
        for row in functions.rows() {
            *holders.entry(row.holders).or_default() += 1;
            kfuncs.extend(row.is_kfunc.then_some(row.holders));
            if let Some(set) = row.attachability[0] {
                *attachable.entry(set).or_default() += 1;
            }
        }
        let of_kernels = |counts: &Counts| {
            let mut of_kernels = vec![0; self.kernels.len()];
            for (&set, count) in counts {
                functions.kernels(set).for_each(|kernel| of_kernels[self.index(kernel)] += count);
            }
            of_kernels
        };
        let of_sets =
            |sets: HashSet<SetId>| self.kernel_set(sets.into_iter().flat_map(|set| functions.kernels(set)));
        Ok(FunctionSummary {
            distinct: functions.rows().count(),
            of_kernels: of_kernels(&holders),
            attachable: of_kernels(&attachable),
            with_functions: of_sets(holders.into_keys().collect()),
            with_kfunc_tags: of_sets(kfuncs),
        })
    }

    fn kernel_set(&self, rows: impl Iterator<Item = KernelRow>) -> KernelSet {
        rows.map(|row| self.index(row)).collect()
    }
}
