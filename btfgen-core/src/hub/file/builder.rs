//! Builder: kernels collected from BTFs and hub files, and written as one hub file.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use btfgen_runtime::KernelId;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use sha2::{Digest, Sha256};

use super::canonical::Canonical;
use super::column::Columns;
use super::sets::Holding;
use super::{HubFile, HubFileError, KernelRecord, kernels, nodes, sets};
use crate::btf::{Btf, BtfError};
use crate::resolve::RootKind;
use crate::types::{Copier, Interner, Name, TypeRef, Types};

/// Kernels that are to be written as a hub file.
#[derive(Clone, Default)]
pub struct HubBuilder {
    types: Types,
    kernels: BTreeMap<KernelId, Kernel>,
}

/// A kernel by the definitions' references.
#[derive(Clone, PartialEq, Eq)]
struct Kernel {
    record: KernelRecord,
    /// Sorted by reference, each once.
    types: Vec<TypeRef>,
    /// Sorted by reference, each once.
    repeated: Vec<TypeRef>,
    /// Definitions of one root in the order of their first ids, where that is not the canonical one.
    orders: Vec<Vec<TypeRef>>,
}

impl HubBuilder {
    /// A builder that holds no kernel.
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

    /// Whether a kernel is there.
    pub fn contains(&self, id: &KernelId) -> bool {
        self.kernels.contains_key(id)
    }

    /// Adds a kernel from its raw BTF, with the split BTFs of its modules in the order they are given.
    ///
    /// # Errors
    /// When a BTF is malformed, or the id is there with other content; nothing is added then.
    pub fn add_btf(
        &mut self,
        id: &KernelId,
        provenance: &str,
        btf: &[u8],
        modules: &[&[u8]],
    ) -> Result<(), HubFileError> {
        let malformed = |source: BtfError| HubFileError::Btf { kernel: id.clone(), source };
        let base = Btf::parse(btf).map_err(malformed)?;
        let mut collected = Collected::default();
        collected.add(&mut self.types, &base).map_err(malformed)?;
        let mut hasher = Sha256::new_with_prefix(btf);
        let mut size = btf.len() as u64;
        for module in modules {
            let split = Btf::parse_split(module, &base).map_err(malformed)?;
            collected.add(&mut self.types, &split).map_err(malformed)?;
            hasher.update(module);
            size += module.len() as u64;
        }
        let record = KernelRecord {
            id: id.clone(),
            model: base.data_model(),
            provenance: provenance.replace('\0', ""),
            sha256: hasher.finalize().into(),
            size,
        };
        let kernel = collected.finish(&self.types, record);
        self.put(kernel)
    }

    /// Adds all kernels of a hub file.
    ///
    /// # Errors
    /// When the file is damaged, or holds a kernel that is there with other content.
    pub fn add_hub(&mut self, hub: &HubFile) -> Result<(), HubFileError> {
        let graph = hub.graph()?;
        let mut copier = Copier::new(&graph.types);
        let holdings = graph.sets.holdings(hub.kernels().len());
        for (index, record) in hub.kernels().iter().enumerate() {
            let holding = &holdings[hub.position(index)];
            let mut copy = |list: &[u32]| -> Result<Vec<TypeRef>, HubFileError> {
                list.iter()
                    .map(|&ty| copier.copy(&mut self.types, TypeRef::at(ty)).map_err(HubFileError::from))
                    .collect()
            };
            let orders = holding.orders.iter().map(|order| copy(order)).collect::<Result<_, _>>()?;
            let mut kernel = Kernel {
                record: record.clone(),
                types: copy(&holding.types)?,
                repeated: copy(&holding.repeated)?,
                orders,
            };
            kernel.sort();
            self.put(kernel)?;
        }
        Ok(())
    }

    /// Adds all kernels of another builder.
    ///
    /// # Errors
    /// When it holds a kernel that is there with other content.
    pub fn merge(&mut self, other: Self) -> Result<(), HubFileError> {
        let mut copier = Copier::new(&other.types);
        for (_, kernel) in other.kernels {
            let mut copy = |list: &[TypeRef]| -> Result<Vec<TypeRef>, HubFileError> {
                list.iter().map(|&ty| copier.copy(&mut self.types, ty).map_err(HubFileError::from)).collect()
            };
            let orders = kernel.orders.iter().map(|order| copy(order)).collect::<Result<_, _>>()?;
            let (types, repeated) = (copy(&kernel.types)?, copy(&kernel.repeated)?);
            let mut kernel = Kernel { record: kernel.record, types, repeated, orders };
            kernel.sort();
            self.put(kernel)?;
        }
        Ok(())
    }

    fn put(&mut self, mut kernel: Kernel) -> Result<(), HubFileError> {
        match self.kernels.entry(kernel.record.id.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(kernel);
            }
            Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                let provenances = [known.record.provenance.clone(), kernel.record.provenance.clone()];
                // The same BTF under the same id is one kernel, wherever it came from.
                let smaller = provenances.iter().min().cloned().unwrap_or_default();
                known.record.provenance.clone_from(&smaller);
                kernel.record.provenance = smaller;
                if *known != kernel {
                    let [first, second] = provenances;
                    let kernel = kernel.record.id;
                    known.record.provenance.clone_from(&first);
                    return Err(HubFileError::Conflict { kernel, first, second });
                }
            }
        }
        Ok(())
    }

    /// Removes a kernel; whether it was there. What only it held is not written.
    pub fn remove(&mut self, id: &KernelId) -> bool {
        self.kernels.remove(id).is_some()
    }

    /// The hub file's bytes, which depend on the kernels alone. `level` is zstd's, 1 to 22.
    ///
    /// # Errors
    /// When there is more than the layout can number.
    pub fn finish(&self, level: i32) -> Result<Vec<u8>, HubFileError> {
        let mut order: Vec<&Kernel> = self.kernels.values().collect();
        order.sort_by_cached_key(|kernel| {
            let (arch, flavour, numbers, id) = kernels::sort_key(&kernel.record.id);
            (arch.to_owned(), flavour.to_owned(), numbers, id.to_owned())
        });
        let canonical =
            Canonical::new(&self.types, order.iter().flat_map(|kernel| kernel.types.iter().copied()));
        let holdings: Vec<Holding> = order.iter().map(|kernel| kernel.holding(&canonical)).collect();
        let mut columns = Columns::new();
        kernels::write(&mut columns, order.iter().map(|kernel| &kernel.record));
        nodes::write(&mut columns, &canonical.types)?;
        sets::write(&mut columns, &canonical.types, &holdings)?;
        columns.finish(level)
    }
}

impl Kernel {
    fn sort(&mut self) {
        for list in [&mut self.types, &mut self.repeated] {
            list.sort_unstable();
            list.dedup();
        }
        self.orders.sort_unstable();
        self.orders.dedup();
    }

    fn holding(&self, canonical: &Canonical) -> Holding {
        let numbers = |list: &[TypeRef]| list.iter().map(|&ty| canonical.number(ty)).collect::<Vec<_>>();
        let mut holding = Holding {
            types: numbers(&self.types),
            repeated: numbers(&self.repeated),
            orders: self.orders.iter().map(|order| numbers(order)).collect(),
        };
        holding.types.sort_unstable();
        holding.repeated.sort_unstable();
        holding.orders.sort_unstable();
        holding
    }
}

/// The named definitions of a BTF and of those split over it.
#[derive(Default)]
struct Collected {
    /// Each definition once, in the order of first ids, and whether it came again.
    found: Vec<(TypeRef, RootKind, bool)>,
    places: HashMap<TypeRef, usize, FixedState>,
}

impl Collected {
    fn add(&mut self, types: &mut Types, btf: &Btf<'_>) -> Result<(), BtfError> {
        let mut interner = Interner::new(btf);
        for raw in btf.types() {
            let Some(kind) = RootKind::of(raw.kind).filter(|_| raw.name_off != 0) else { continue };
            let ty = interner.root(types, raw.id)?;
            // A name may be given and yet be empty; then nothing looks it up.
            if types.name_of(ty) == Name::EMPTY {
                continue;
            }
            match self.places.entry(ty) {
                hashbrown::hash_map::Entry::Occupied(place) => self.found[*place.get()].2 = true,
                hashbrown::hash_map::Entry::Vacant(place) => {
                    place.insert(self.found.len());
                    self.found.push((ty, kind, false));
                }
            }
        }
        Ok(())
    }

    fn finish(self, types: &Types, record: KernelRecord) -> Kernel {
        let key =
            |&(ty, kind, _): &(TypeRef, RootKind, bool)| (kind, types.names().essential(types.name_of(ty)));
        let mut grouped: Vec<_> =
            self.found.iter().enumerate().map(|(place, it)| (key(it), place, it.0)).collect();
        grouped.sort_unstable();
        let mut orders = Vec::new();
        for group in
            grouped.chunk_by(|a, b| a.0 == b.0).filter(|group| (2..=sets::MAX_ORDER).contains(&group.len()))
        {
            let order: Vec<TypeRef> = group.iter().map(|&(_, _, ty)| ty).collect();
            if order.windows(2).any(|pair| types.compare(pair[0], pair[1]) == Ordering::Greater) {
                orders.push(order);
            }
        }
        let repeated = self.found.iter().filter(|it| it.2).map(|it| it.0).collect();
        let all = self.found.iter().map(|it| it.0).collect();
        let mut kernel = Kernel { record, types: all, repeated, orders };
        kernel.sort();
        kernel
    }
}
