//! One kernel as a set of roots sees it: the candidates, and what holds for all its types.

use crate::btf::{Btf, BtfError, DataModel, Kind, is_long};
use crate::memo::Memo;
use crate::resolve::{RootKind, Roots};
use crate::types::{Interner, TypeRef, Types};

/// A definition that a root's questions are asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CandidateRef {
    /// The definition.
    pub ty: TypeRef,
    /// Whether the kernel's BTF holds it more than once, under different ids.
    pub repeated: bool,
}

/// The part of a kernel's types that a set of roots can reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelTypes {
    /// Byte order and pointer size.
    pub model: DataModel,
    /// For each root its candidates, in the order of their first ids.
    pub candidates: Vec<Vec<CandidateRef>>,
    /// The type `long` by which readers tell a pointer's size.
    pub long: Option<TypeRef>,
}

impl KernelTypes {
    /// Interns what the roots reach of a raw BTF.
    ///
    /// # Errors
    /// When a type that is reached is malformed.
    pub fn from_btf(types: &mut Types, roots: &Roots, btf: &Btf<'_>) -> Result<Self, BtfError> {
        let mut interner = Interner::new(btf);
        let mut found = CandidateLists::new(roots.roots().len());
        let mut long = None;
        let model = btf.data_model();
        for raw in btf.named_types() {
            let Some(kind) = RootKind::of(raw.kind) else { continue };
            let name = btf.name(raw.name_off)?;
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

/// Of two types named `long` in some way, the one that every kernel's minimized BTF takes.
pub(crate) fn preferred_long(types: &Types, a: TypeRef, b: TypeRef) -> TypeRef {
    if types.compare(a, b).is_le() { a } else { b }
}

/// Candidates collected root by root.
pub(crate) struct CandidateLists {
    lists: Vec<Vec<CandidateRef>>,
    /// Where a definition stands in its list, once lists are long.
    places: Memo<(usize, TypeRef), usize>,
}

impl CandidateLists {
    pub(crate) fn new(roots: usize) -> Self {
        Self { lists: vec![Vec::new(); roots], places: Memo::default() }
    }

    pub(crate) fn add(&mut self, root: usize, ty: TypeRef) {
        let list = &mut self.lists[root];
        match self.places.get(&(root, ty)) {
            Some(&place) => list[place].repeated = true,
            None => {
                self.places.insert((root, ty), list.len());
                list.push(CandidateRef { ty, repeated: false });
            }
        }
    }

    pub(crate) fn finish(self) -> Vec<Vec<CandidateRef>> {
        self.lists
    }
}
