//! The part of one kernel's types that a set of roots needs: candidates, byte order and pointer size.

use crate::btf::{Btf, BtfError, DataModel, Kind, NameReader, is_long};
use crate::memo::Memo;
use crate::resolve::{RootId, RootKind, Roots};
use crate::types::{Interner, TypeRef, Types};

/// A candidate of a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CandidateRef {
    /// The definition.
    pub ty: TypeRef,
    /// Whether the kernel's BTF contains it more than once, under different ids.
    pub repeated: bool,
}

/// The part of a kernel's types that a set of roots needs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KernelTypes {
    /// Byte order and pointer size.
    pub model: DataModel,
    /// By [`RootId`]: the candidates, in the order of their first ids.
    pub candidates: Vec<Vec<CandidateRef>>,
    /// The type `long`, from whose size libbpf learns the size of pointers (`determine_ptr_size`).
    pub long: Option<TypeRef>,
}

impl KernelTypes {
    /// The candidates of a root, in the order of their first ids.
    pub fn candidates(&self, root: RootId) -> &[CandidateRef] {
        &self.candidates[root.index()]
    }

    /// Interns the candidates of a raw BTF.
    ///
    /// # Errors
    /// When a candidate or a type that it contains is malformed.
    pub fn from_btf(types: &mut Types, roots: &Roots, btf: &Btf<'_>) -> Result<Self, BtfError> {
        let (mut interner, mut names) = (Interner::new(btf), NameReader::new(btf));
        let mut found = CandidateLists::new(roots.roots().len());
        let mut long = None;
        let model = btf.data_model();
        for raw in btf.named_types() {
            let Some(kind) = RootKind::of(raw.kind) else { continue };
            let name = names.name(raw.name_off)?;
            if let Some(root) = roots.root_of(kind, name) {
                found.add(root, interner.root(types, raw.id)?);
            }
            if raw.kind == Kind::Int && raw.size() == u32::from(model.pointer_size) && is_long(name) {
                let ty = interner.root(types, raw.id)?;
                long = Some(long.map_or(ty, |long| preferred_long(types, long, ty)));
            }
        }
        Ok(Self { model, candidates: found.finish(), long })
    }
}

/// Chooses between two types for `long`, in the same way for every kernel.
pub(crate) fn preferred_long(types: &Types, a: TypeRef, b: TypeRef) -> TypeRef {
    if types.compare(a, b).is_le() { a } else { b }
}

/// Candidates collected root by root.
pub(crate) struct CandidateLists {
    lists: Vec<Vec<CandidateRef>>,
    /// The index of each definition in its list.
    indices: Memo<(RootId, TypeRef), usize>,
}

impl CandidateLists {
    pub(crate) fn new(roots: usize) -> Self {
        Self { lists: vec![Vec::new(); roots], indices: Memo::default() }
    }

    pub(crate) fn add(&mut self, root: RootId, ty: TypeRef) {
        let list = &mut self.lists[root.index()];
        match self.indices.get(&(root, ty)) {
            Some(&index) => list[index].repeated = true,
            None => {
                self.indices.insert((root, ty), list.len());
                list.push(CandidateRef { ty, repeated: false });
            }
        }
    }

    pub(crate) fn finish(self) -> Vec<Vec<CandidateRef>> {
        self.lists
    }
}
