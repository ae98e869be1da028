//! Facts: what the kernels of a hub file offer a program, as far as their BTF, images and packages tell.
//!
//! Every answer is for all kernels at once: a [`KernelSet`] of their indices in [`HubFile::kernels`]. So a name is resolved
//! once, however many kernels there are. `ships_btf` and `has_modules` are in [`KernelRecord`](crate::hub::file::KernelRecord).

use crate::hub::file::{Decoded, FunctionFacts, FunctionSummary, HubFile, HubFileError, KernelSet};
use crate::memo::Memo;
use crate::resolve::RootKind;
use crate::types::{Enumerator, Name, TypeRef, Types};

#[cfg(test)]
mod tests;

/// What the kernels of a hub file offer.
pub struct Facts<'h> {
    hub: Decoded<'h>,
    /// The definitions of each kind and name.
    definitions: Memo<(RootKind, &'h [u8]), Vec<TypeRef>>,
    summary: FunctionSummary,
}

/// One of the definitions that kernels have of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The definition, in [`Facts::types`].
    pub ty: TypeRef,
    /// The kernels that have it.
    pub kernels: KernelSet,
}

impl<'h> Facts<'h> {
    /// The facts of a hub file.
    ///
    /// # Errors
    /// When a column is damaged.
    pub fn new(hub: &'h HubFile) -> Result<Self, HubFileError> {
        let summary = hub.function_summary()?;
        let hub = hub.decoded()?;
        let types = hub.types();
        let mut definitions: Memo<_, Vec<TypeRef>> = Memo::default();
        for ty in types.refs() {
            let (kind, name) = (RootKind::of_definition(types.get(ty)), types.name_of(ty));
            if let (Some(kind), true) = (kind, name != Name::EMPTY) {
                definitions.entry((kind, types.names().get(name))).or_default().push(ty);
            }
        }
        Ok(Self { hub, definitions, summary })
    }

    /// The definitions of all kernels.
    pub fn types(&self) -> &'h Types {
        self.hub.types()
    }

    /// The kernels whose functions are known. In others the absence of a function says nothing.
    pub fn kernels_with_functions(&self) -> &KernelSet {
        &self.summary.with_functions
    }

    /// The kernels whose kfuncs have the declaration tag `bpf_kfunc`. In others a kfunc is a function like any other.
    pub fn kernels_with_kfunc_tags(&self) -> &KernelSet {
        &self.summary.with_kfunc_tags
    }

    /// The functions of a name: with different arguments, of modules, kfuncs and others.
    pub fn functions(&self, name: &str) -> Vec<FunctionFacts<'h>> {
        self.hub.functions(name.as_bytes())
    }

    /// The kernels that have functions of a module: its BTF is in the hub.
    pub fn kernels_with_module(&self, module: &str) -> KernelSet {
        self.hub.kernels_with_module(module)
    }

    /// The functions whose names match a pattern of `*` and `?` (libbpf's `glob_match`).
    pub fn functions_like(&self, pattern: &str) -> Vec<FunctionFacts<'h>> {
        self.hub.functions_where(|name| glob_match(name, pattern.as_bytes()))
    }

    /// The definitions that kernels have of a kind and name, such as the struct `trace_event_raw_sched_switch`, whose members
    /// are the fields of a classic tracepoint.
    pub fn variants(&self, kind: RootKind, name: &str) -> Vec<Variant> {
        let named = self.definitions.get(&(kind, name.as_bytes())).into_iter().flatten();
        named.map(|&ty| Variant { ty, kernels: self.hub.kernels_with(ty) }).collect()
    }

    /// The kernels that have a definition of a kind and name, such as the typedef `btf_trace_sched_switch` of a raw tracepoint.
    pub fn kernels_with(&self, kind: RootKind, name: &str) -> KernelSet {
        let mut kernels = KernelSet::new();
        self.variants(kind, name).iter().for_each(|variant| kernels.insert_all(&variant.kernels));
        kernels
    }

    /// The kernels in which an enum has an enumerator of that value, such as `bpf_func_id` that of a helper. One that marks the
    /// end, such as `__BPF_FUNC_MAX_ID`, does not count.
    pub fn kernels_with_value(&self, enumeration: &str, value: u64) -> KernelSet {
        let names = self.types().names();
        self.kernels_with_enumerator_where(enumeration, |enumerator| {
            enumerator.value == value && !names.get(enumerator.name).starts_with(b"__")
        })
    }

    /// The kernels in which an enum has an enumerator of that name, such as `bpf_map_type` `BPF_MAP_TYPE_RINGBUF`.
    pub fn kernels_with_enumerator(&self, enumeration: &str, name: &str) -> KernelSet {
        let names = self.types().names();
        self.kernels_with_enumerator_where(enumeration, |enumerator| {
            names.get(enumerator.name) == name.as_bytes()
        })
    }

    fn kernels_with_enumerator_where(
        &self,
        enumeration: &str,
        matches: impl Fn(&Enumerator) -> bool,
    ) -> KernelSet {
        let mut kernels = KernelSet::new();
        for Variant { ty, kernels: own } in self.variants(RootKind::Enum, enumeration) {
            if self.types().enumerators(ty).iter().any(&matches) {
                kernels.insert_all(&own);
            }
        }
        kernels
    }
}

/// Whether a name matches a pattern, in which `*` stands for any text and `?` for any character (libbpf's `glob_match`).
fn glob_match(name: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut in_pattern) = (0, 0);
    // Where to continue if the last star takes one character more.
    let mut retry = None;
    while at < name.len() {
        match pattern.get(in_pattern) {
            Some(b'*') => {
                retry = Some((at, in_pattern + 1));
                in_pattern += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted == name[at] => {
                (at, in_pattern) = (at + 1, in_pattern + 1);
            }
            _ => match retry {
                Some((start, after_star)) => {
                    (at, in_pattern) = (start + 1, after_star);
                    retry = Some((start + 1, after_star));
                }
                None => return false,
            },
        }
    }
    pattern[in_pattern..].iter().all(|&byte| byte == b'*')
}
