//! Builder: collects kernels from BTFs and hub files and writes them as one hub file.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map};

use btfgen_runtime::{BuildId, KernelId};
use sha2::{Digest, Sha256};

use super::canonical::Canonical;
use super::column::Columns;
use super::error::HubFileError;
use super::functions::{self, FunctionStore, KernelFunctions};
use super::kernels::{self, KernelRecord};
use super::open::HubFile;
use super::sets::{self, Holding};
use super::write_types;
use crate::btf::{Btf, BtfError};
use crate::hub::function::functions_of;
use crate::hub::{AttachTable, Attachability, Defects, ShipsBtf};
use crate::memo::Memo;
use crate::resolve::RootKind;
use crate::types::{Copier, Interner, Name, TypeRef, Types};

/// A kernel to add to a hub file.
#[derive(Debug, Clone, Copy)]
pub struct KernelSource<'a> {
    /// Its id.
    pub id: &'a KernelId,
    /// Where it comes from, such as a package's name.
    pub provenance: &'a str,
    /// Its build id, if the source has one.
    pub build_id: Option<BuildId>,
    /// Its raw BTF.
    pub btf: &'a [u8],
    /// Its modules.
    pub modules: &'a [ModuleSource<'a>],
    /// Whether it ships BTF of its own.
    pub ships_btf: ShipsBtf,
    /// Which of its functions are attachable, if the source tells.
    pub attachability: Option<&'a AttachTable>,
}

/// A module of a kernel to add to a hub file.
#[derive(Debug, Clone, Copy)]
pub struct ModuleSource<'a> {
    /// Its name, as the kernel writes it (`KBUILD_MODNAME`).
    pub name: &'a str,
    /// Its split BTF.
    pub btf: &'a [u8],
}

impl<'a> KernelSource<'a> {
    /// A kernel of which nothing but its BTF is known.
    pub fn new(id: &'a KernelId, provenance: &'a str, btf: &'a [u8]) -> Self {
        let (ships_btf, attachability) = (ShipsBtf::Unknown, None);
        Self { id, provenance, build_id: None, btf, modules: &[], ships_btf, attachability }
    }
}

/// Collects kernels for a hub file.
#[derive(Clone, Default)]
pub struct HubBuilder {
    types: Types,
    functions: FunctionStore,
    kernels: BTreeMap<KernelId, Kernel>,
    /// The kernels with each build id; they have the same BTF.
    builds: HashMap<BuildId, BTreeSet<KernelId>>,
}

/// A kernel with references to the builder's types and functions.
#[derive(Clone)]
struct Kernel {
    record: KernelRecord,
    holding: Holding,
    functions: KernelFunctions,
}

impl Kernel {
    fn has_same_btf(&self, other: &Self) -> bool {
        let source = |kernel: &Self| (kernel.record.model, kernel.record.sha256, kernel.record.size);
        source(self) == source(other) && self.holding == other.holding
    }

    /// Adds what another source of this kernel has. The outcome does not depend on the order of the sources.
    fn merge(&mut self, other: Self) -> Result<(), HubFileError> {
        let kernel = self.record.id.clone();
        if let (Some(first), Some(second)) = (self.record.build_id, other.record.build_id)
            && first != second
        {
            return Err(HubFileError::TwoBuildIds { kernel, first, second });
        }
        if !self.has_same_btf(&other) {
            let (first, second) = (self.record.provenance.clone(), other.record.provenance);
            return Err(HubFileError::Conflict { kernel, first, second });
        }
        let KernelRecord { provenance, build_id, defects, ships_btf, has_modules, .. } = other.record;
        self.functions.merge(other.functions);
        let record = &mut self.record;
        record.ships_btf = record.ships_btf.max(ships_btf);
        record.has_modules |= has_modules;
        record.build_id = record.build_id.or(build_id);
        record.defects |= defects;
        if provenance < record.provenance {
            record.provenance = provenance;
        }
        Ok(())
    }
}

impl HubBuilder {
    /// A builder without kernels.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of kernels.
    pub fn len(&self) -> usize {
        self.kernels.len()
    }

    /// Whether there is no kernel.
    pub fn is_empty(&self) -> bool {
        self.kernels.is_empty()
    }

    /// What is recorded of the kernels, sorted by id.
    pub fn kernels(&self) -> impl Iterator<Item = &KernelRecord> {
        self.kernels.values().map(|kernel| &kernel.record)
    }

    /// What is recorded of a kernel.
    pub fn record(&self, id: &KernelId) -> Option<&KernelRecord> {
        self.kernels.get(id).map(|kernel| &kernel.record)
    }

    /// Adds a kernel.
    ///
    /// # Errors
    /// When a BTF is malformed, or a different kernel with that id or build id was added; then nothing is added.
    pub fn add_btf(&mut self, source: &KernelSource<'_>) -> Result<(), HubFileError> {
        let KernelSource { id, provenance, build_id, btf, modules, ships_btf, attachability } = *source;
        let malformed = |source: BtfError| HubFileError::Btf { kernel: id.clone(), source };
        let base = Btf::parse(btf).map_err(malformed)?;
        let mut collected = Collected::default();
        collected.add(&mut self.types, &base).map_err(malformed)?;
        collected.kernel_ends(&self.types);
        let mut hasher = Sha256::new_with_prefix(btf);
        let mut size = btf.len() as u64;
        let mut defects = Defects::of_kernel(&base);
        let attachability =
            |name: &[u8]| attachability.map_or(Attachability::Unknown, |table| table.get(name));
        let own = functions_of(&base, None).map_err(malformed)?.into_iter();
        let mut functions: Vec<_> = own.map(|function| (attachability(&function.name), function)).collect();
        for module in modules {
            let split = Btf::parse_split(module.btf, &base).map_err(malformed)?;
            collected.add(&mut self.types, &split).map_err(malformed)?;
            let name = module.name.replace('\0', "").into();
            let own = functions_of(&split, Some(&name)).map_err(malformed)?.into_iter();
            functions.extend(own.map(|function| (Attachability::Unknown, function)));
            defects |= Defects::of_module(&split);
            hasher.update(module.btf);
            size += module.btf.len() as u64;
        }
        let record = KernelRecord {
            id: id.clone(),
            model: base.data_model(),
            provenance: provenance.replace('\0', ""),
            sha256: hasher.finalize().into(),
            size,
            build_id,
            defects,
            ships_btf,
            has_modules: !modules.is_empty(),
        };
        let holding = collected.finish(&self.types);
        let functions = functions.into_iter();
        let functions =
            functions.map(|(attachability, function)| (self.functions.add(function), attachability));
        let functions = KernelFunctions::new(functions);
        self.put(Kernel { record, holding, functions })
    }

    /// Adds all kernels of a hub file.
    ///
    /// # Errors
    /// When the file is damaged, or a different kernel of the same id or build id was added.
    pub fn add_hub(&mut self, hub: &HubFile) -> Result<(), HubFileError> {
        let graph = hub.graph()?;
        let mut copier = Copier::new(&graph.types);
        let holdings = graph.sets.holdings(hub.kernels().len());
        let mut functions = hub.functions()?.of_kernels(&mut self.functions, hub.kernels().len());
        for (index, record) in hub.kernels().iter().enumerate() {
            let row = hub.row(index).index();
            let holding = holdings[row].map(|ty| copier.copy(&mut self.types, ty))?;
            let functions = std::mem::take(&mut functions[row]);
            self.put(Kernel { record: record.clone(), holding, functions })?;
        }
        Ok(())
    }

    /// Adds the kernels of another builder, except those that are different here, and returns why.
    pub fn merge(&mut self, other: Self) -> Vec<HubFileError> {
        let mut copier = Copier::new(&other.types);
        let ids = self.functions.add_all(&other.functions);
        let mut errors = Vec::new();
        for (_, Kernel { record, holding, functions }) in other.kernels {
            let holding = holding.map(|ty| copier.copy(&mut self.types, ty));
            let functions = functions.map(|id| ids[id.index()]);
            let added = holding.and_then(|holding| self.put(Kernel { record, holding, functions }));
            errors.extend(added.err());
        }
        errors
    }

    /// Adds a kernel. The same BTF under the same id is one kernel, whatever its sources.
    fn put(&mut self, kernel: Kernel) -> Result<(), HubFileError> {
        self.check_build_id(&kernel)?;
        let (id, build_id) = (kernel.record.id.clone(), kernel.record.build_id);
        match self.kernels.entry(id.clone()) {
            Entry::Vacant(entry) => _ = entry.insert(kernel),
            Entry::Occupied(mut entry) => entry.get_mut().merge(kernel)?,
        }
        if let Some(build_id) = build_id {
            self.builds.entry(build_id).or_default().insert(id);
        }
        Ok(())
    }

    /// Checks that no other kernel has this one's build id and another BTF.
    fn check_build_id(&self, kernel: &Kernel) -> Result<(), HubFileError> {
        let Some(build_id) = kernel.record.build_id else { return Ok(()) };
        let same_build = self.builds.get(&build_id).into_iter().flatten();
        // One stands for all of them.
        let other =
            same_build.filter_map(|id| self.kernels.get(id)).find(|it| it.record.id != kernel.record.id);
        match other {
            Some(other) if !other.has_same_btf(kernel) => {
                let (first, second) = (other.record.id.clone(), kernel.record.id.clone());
                Err(HubFileError::SharedBuildId { build_id, first, second })
            }
            _ => Ok(()),
        }
    }

    /// Removes a kernel, and returns whether it had been added. Types that only it has are not written.
    pub fn remove(&mut self, id: &KernelId) -> bool {
        let Some(kernel) = self.kernels.remove(id) else { return false };
        if let Some(build_id) = kernel.record.build_id
            && let Some(same_build) = self.builds.get_mut(&build_id)
        {
            same_build.remove(id);
        }
        true
    }

    /// Returns the hub file, which depends on the kernels alone. `level` is zstd's, 1 to 22.
    ///
    /// # Errors
    /// When a limit of the layout is exceeded.
    pub fn finish(&self, level: i32) -> Result<Vec<u8>, HubFileError> {
        let mut order: Vec<&Kernel> = self.kernels.values().collect();
        order.sort_by_cached_key(|kernel| kernels::sort_key(&kernel.record.id));
        let roots = order.iter().flat_map(|kernel| kernel.holding.types.iter().copied());
        let canonical = Canonical::new(&self.types, roots);
        let holdings = order
            .iter()
            .map(|kernel| kernel.holding.map(|ty| Ok::<_, HubFileError>(canonical.reference(ty))));
        let holdings = holdings.collect::<Result<Vec<Holding>, HubFileError>>()?;
        let mut columns = Columns::new();
        kernels::write(&mut columns, order.iter().map(|kernel| &kernel.record));
        write_types::write(&mut columns, &canonical.types)?;
        kernels::write_facts(&mut columns, order.iter().map(|kernel| &kernel.record));
        let ids = sets::write(&mut columns, &canonical.types, &holdings)?;
        let lists: Vec<&KernelFunctions> = order.iter().map(|kernel| &kernel.functions).collect();
        functions::write(&mut columns, &self.functions, &lists, ids)?;
        columns.finish(level)
    }
}

/// A named definition of a BTF.
struct Found {
    ty: TypeRef,
    kind: RootKind,
    /// Whether it came again under another id.
    repeated: bool,
}

/// The definitions of a kernel and its modules that can be candidates, each once, in the order of their first ids.
///
/// As libbpf's `bpf_core_find_cands`: a module's definition is no candidate if the kernel itself has one of its kind and
/// essential name. Departure: libbpf sees the modules that are loaded, here all vendored ones count, in the order of their names.
#[derive(Default)]
struct Collected {
    found: Vec<Found>,
    /// Indices in `found`.
    indices: Memo<TypeRef, usize>,
    /// Kinds and essential names of the kernel's own definitions.
    kernel: Memo<(RootKind, Name), ()>,
}

impl Collected {
    fn add(&mut self, types: &mut Types, btf: &Btf<'_>) -> Result<(), BtfError> {
        let mut interner = Interner::new(btf);
        for raw in btf.named_types() {
            let Some(kind) = RootKind::of(raw.kind) else { continue };
            let ty = interner.root(types, raw.id)?;
            // The offset is not 0, but the string may be empty all the same; then nothing looks it up.
            if types.name_of(ty) == Name::EMPTY || self.kernel.contains_key(&key(types, kind, ty)) {
                continue;
            }
            match self.indices.entry(ty) {
                hash_map::Entry::Occupied(index) => self.found[*index.get()].repeated = true,
                hash_map::Entry::Vacant(index) => {
                    index.insert(self.found.len());
                    self.found.push(Found { ty, kind, repeated: false });
                }
            }
        }
        Ok(())
    }

    /// Separates the kernel's own definitions, which were added, from its modules', which follow.
    fn kernel_ends(&mut self, types: &Types) {
        self.kernel = self.found.iter().map(|found| (key(types, found.kind, found.ty), ())).collect();
    }

    fn finish(self, types: &Types) -> Holding {
        let root = |found: &Found| key(types, found.kind, found.ty);
        let mut grouped: Vec<&Found> = self.found.iter().collect();
        // A stable sort: within a group the order stays that of the first ids.
        grouped.sort_by_key(|found| root(found));
        let mut orders = Vec::new();
        for group in grouped.chunk_by(|a, b| root(a) == root(b)) {
            let order: Vec<TypeRef> = group.iter().map(|found| found.ty).collect();
            let is_canonical = order.is_sorted_by(|&a, &b| types.compare(a, b).is_le());
            if !is_canonical && order.len() <= sets::MAX_ORDER {
                orders.push(order);
            }
        }
        let all = self.found.iter().map(|found| found.ty).collect();
        let repeated = self.found.iter().filter(|found| found.repeated).map(|found| found.ty).collect();
        Holding::new(all, repeated, orders)
    }
}

/// What candidates are looked up by: kind and essential name.
fn key(types: &Types, kind: RootKind, ty: TypeRef) -> (RootKind, Name) {
    (kind, types.names().essential(types.name_of(ty)))
}
