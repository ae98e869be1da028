//! Roots: the distinct relocations of a set of objects, grouped by the types that they are about.
//!
//! A root is a kind and an essential name, by which libbpf looks candidates up (`bpf_core_find_cands`). Its queries are the
//! distinct relocations of all objects on types of that kind and name: the thousands of relocations of a large object are
//! a few queries per root.

use std::sync::Arc;

use super::evaluate::check_local;
use super::failure::MatchFailure;
use super::local::{LocalFailure, LocalSpec};
use crate::btf::{Btf, DataModel, Kind, TypeId};
use crate::memo::Memo;
use crate::object::{Object, ObjectError, Relocation, RelocationKind};
use crate::types::{Composite, Interner, Name, Type, TypeRef, Types, essential_len};

/// Kinds of roots: libbpf's `btf_kind_core_compat` treats enum and enum64 as one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are BTF's own")]
pub enum RootKind {
    Int,
    Float,
    Struct,
    Union,
    /// Enum or enum64.
    Enum,
    Fwd,
    Typedef,
}

impl RootKind {
    /// The root kind of a BTF kind, if types of that kind can be candidates.
    pub fn of(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::Int => Self::Int,
            Kind::Float => Self::Float,
            Kind::Struct => Self::Struct,
            Kind::Union => Self::Union,
            Kind::Enum | Kind::Enum64 => Self::Enum,
            Kind::Fwd => Self::Fwd,
            Kind::Typedef => Self::Typedef,
            _ => return None,
        })
    }

    /// The root kind of a definition, if it can be a candidate.
    pub(crate) fn of_definition(ty: Type) -> Option<Self> {
        Some(match ty {
            Type::Int { .. } => Self::Int,
            Type::Float { .. } => Self::Float,
            Type::Composite { kind: Composite::Struct, .. } => Self::Struct,
            Type::Composite { kind: Composite::Union, .. } => Self::Union,
            Type::Enum { .. } => Self::Enum,
            Type::Fwd { .. } => Self::Fwd,
            Type::Typedef { .. } => Self::Typedef,
            _ => return None,
        })
    }
}

/// Index of a root among [`Roots::roots`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootId(u32);

impl RootId {
    /// The root at an index.
    pub fn new(index: usize) -> Self {
        Self(index as u32)
    }

    /// The index as a number.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Index of a query among [`Root::queries`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(u32);

impl QueryId {
    /// The query at an index.
    pub fn new(index: usize) -> Self {
        Self(index as u32)
    }

    /// The index as a number.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A distinct relocation: what is resolved against each candidate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Query {
    /// Its local spec.
    pub spec: LocalSpec,
    /// Byte order and pointer size of its object.
    pub model: DataModel,
}

/// A kind and an essential name, with the queries for types of that kind and name.
#[derive(Debug, Clone)]
pub struct Root {
    /// The kind.
    pub kind: RootKind,
    /// The essential name.
    pub name: Name,
    /// The queries, by [`QueryId`].
    pub queries: Vec<Query>,
}

impl Root {
    /// The queries with their ids.
    pub fn query_ids(&self) -> impl Iterator<Item = (QueryId, &Query)> {
        self.queries.iter().enumerate().map(|(index, query)| (QueryId::new(index), query))
    }

    /// Whether a query reads the target's type id.
    pub fn reads_type_id(&self) -> bool {
        self.queries.iter().any(|query| query.spec.kind == RelocationKind::TypeIdTarget)
    }
}

/// Where a relocation's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// From the kernel's candidates of a root.
    Target {
        /// The root.
        root: RootId,
        /// The query among the root's.
        query: QueryId,
        /// The local root type's id: libbpf keeps one list of candidates, with its pruning, per id.
        local_type_id: TypeId,
    },
    /// From the object itself: a local type id.
    Local,
    /// It has none on any kernel.
    Failure(LocalFailure),
}

/// All roots of a set of objects, with the definitions of the objects' types.
#[derive(Clone)]
pub struct Roots {
    types: Types,
    roots: Vec<Root>,
    index: Memo<(RootKind, Name), RootId>,
    lookups: Vec<Vec<Lookup>>,
}

/// Relocations that differ at most in their instruction.
type LookupKey = (TypeId, Arc<str>, Result<RelocationKind, u32>);

/// One object while its relocations are added.
struct Local<'b, 'a> {
    btf: &'b Btf<'a>,
    interner: Interner<'b, 'a>,
    model: DataModel,
}

impl Roots {
    /// Collects the queries of all objects.
    ///
    /// # Errors
    /// When an object's local BTF is malformed. An invalid relocation is a [`Lookup::Failure`], not an error.
    pub fn new(objects: &[Object]) -> Result<Self, ObjectError> {
        let mut roots =
            Self { types: Types::new(), roots: Vec::new(), index: Memo::default(), lookups: Vec::new() };
        let mut queries = Memo::default();
        for object in objects {
            let lookups = roots.add(object, &mut queries)?;
            roots.lookups.push(lookups);
        }
        Ok(roots)
    }

    fn add(
        &mut self,
        object: &Object,
        queries: &mut Memo<(RootId, Query), QueryId>,
    ) -> Result<Vec<Lookup>, ObjectError> {
        let btf = Btf::parse(object.btf()).map_err(ObjectError::Btf)?;
        // libbpf's `bpf_object__init_btf` always sets this pointer size for objects.
        let model = DataModel { pointer_size: 8, ..btf.data_model() };
        let mut local = Local { btf: &btf, interner: Interner::new(&btf), model };
        let mut known: Memo<LookupKey, Lookup> = Memo::default();
        let mut lookup = |relocation: &Relocation| {
            let key = (relocation.type_id, Arc::clone(&relocation.access), relocation.kind);
            let lookup = known.entry(key).or_insert_with(|| {
                self.lookup(&mut local, relocation, queries).unwrap_or_else(Lookup::Failure)
            });
            lookup.clone()
        };
        Ok(object.relocations().iter().map(&mut lookup).collect())
    }

    fn lookup(
        &mut self,
        local: &mut Local<'_, '_>,
        relocation: &Relocation,
        queries: &mut Memo<(RootId, Query), QueryId>,
    ) -> Result<Lookup, LocalFailure> {
        let kind = relocation.kind.map_err(LocalFailure::Kind)?;
        let (local_type_id, model) = (relocation.type_id, local.model);
        let definition = local.interner.root(&mut self.types, local_type_id)?;
        let spec = LocalSpec::parse(&self.types, model, definition, kind, &relocation.access)?;
        if kind == RelocationKind::TypeIdLocal {
            return Ok(Lookup::Local);
        }
        // libbpf uses the name of the type with that very id; a modifier has no name.
        let raw = local.btf.type_by_id(local_type_id)?;
        if let Kind::Unknown(kind) = raw.kind {
            return Err(LocalFailure::Value(MatchFailure::UnknownKind(kind)));
        }
        let name = self.types.name_of(definition);
        let Some(root_kind) = RootKind::of(raw.kind).filter(|_| name != Name::EMPTY) else {
            return Err(LocalFailure::Anonymous);
        };
        // Departure from libbpf, which computes `orig_val` after matching a candidate: if both fail, this failure is
        // reported and not the candidate's. The object is refused in either case.
        check_local(&self.types, model, &spec)?;
        let name = self.types.names().essential(name);
        let roots = &mut self.roots;
        let root = *self.index.entry((root_kind, name)).or_insert_with(|| {
            roots.push(Root { kind: root_kind, name, queries: Vec::new() });
            RootId::new(roots.len() - 1)
        });
        let all = &mut roots[root.index()].queries;
        let query = *queries.entry((root, Query { spec, model })).or_insert_with_key(|(_, query)| {
            all.push(query.clone());
            QueryId::new(all.len() - 1)
        });
        Ok(Lookup::Target { root, query, local_type_id })
    }

    /// The roots, by [`RootId`].
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// A root.
    pub fn root(&self, id: RootId) -> &Root {
        &self.roots[id.index()]
    }

    /// The ids of all roots.
    pub fn ids(&self) -> impl Iterator<Item = RootId> + use<> {
        (0..self.roots.len()).map(RootId::new)
    }

    /// The definitions of the objects' types.
    pub fn types(&self) -> &Types {
        &self.types
    }

    /// For each object, in the order of [`Object::relocations`], where each relocation's value comes from.
    pub fn lookups(&self) -> &[Vec<Lookup>] {
        &self.lookups
    }

    /// The root that a type of that kind and name is a candidate of.
    pub(crate) fn root_of(&self, kind: RootKind, name: &[u8]) -> Option<RootId> {
        self.root_named(kind, self.types.names().find(&name[..essential_len(name)])?)
    }

    /// The root of that kind and essential name.
    fn root_named(&self, kind: RootKind, essential: Name) -> Option<RootId> {
        self.index.get(&(kind, essential)).copied()
    }

    /// The root that a definition is a candidate of, in a store that extends this one's.
    pub(crate) fn root_of_definition(&self, types: &Types, ty: TypeRef) -> Option<RootId> {
        let kind = RootKind::of_definition(types.get(ty))?;
        self.root_named(kind, types.names().essential(types.name_of(ty)))
    }
}
