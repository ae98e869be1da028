//! Store: definitions interned by content.

use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Range;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::definition::{Composite, Enumerator, Member, Type, TypeRef};
use super::names::{Name, Names};

/// A range of members, enumerators or parameters, depending on the definition's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    len: u32,
}

impl Span {
    const EMPTY: Self = Self { start: 0, len: 0 };

    /// Appends entries to a table.
    fn append<T>(table: &mut Vec<T>, entries: impl Iterator<Item = T>) -> Self {
        let start = table.len() as u32;
        table.extend(entries);
        Self { start, len: table.len() as u32 - start }
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.start as usize + self.len as usize
    }
}

/// A definition with its members, enumerators or parameters.
#[derive(Clone, Copy)]
struct Node {
    ty: Type,
    span: Span,
}

/// Members, enumerators and parameters of all definitions.
#[derive(Clone, Default)]
struct Entries {
    members: Vec<Member>,
    enumerators: Vec<Enumerator>,
    params: Vec<TypeRef>,
}

impl Node {
    fn hash(&self, hasher: &FixedState, entries: &Entries) -> u64 {
        let mut state = hasher.build_hasher();
        self.ty.hash(&mut state);
        match self.ty {
            Type::Composite { .. } => entries.members[self.span.range()].hash(&mut state),
            Type::Enum { .. } => entries.enumerators[self.span.range()].hash(&mut state),
            Type::FuncProto { .. } => entries.params[self.span.range()].hash(&mut state),
            _ => {}
        }
        state.finish()
    }

    fn equals(&self, other: &Self, entries: &Entries) -> bool {
        let (left, right) = (self.span.range(), other.span.range());
        self.ty == other.ty
            && match self.ty {
                Type::Composite { .. } => entries.members[left] == entries.members[right],
                Type::Enum { .. } => entries.enumerators[left] == entries.enumerators[right],
                Type::FuncProto { .. } => entries.params[left] == entries.params[right],
                _ => true,
            }
    }
}

/// A store of definitions and names that only grows.
#[derive(Clone)]
pub struct Types {
    names: Names,
    nodes: Vec<Node>,
    entries: Entries,
    /// Indices of nodes, by content.
    table: HashTable<u32>,
    hasher: FixedState,
}

impl Default for Types {
    fn default() -> Self {
        Self::new()
    }
}

impl Types {
    /// A store that holds `void` only.
    pub fn new() -> Self {
        Self::with_names(Names::new())
    }

    /// A store that holds `void` and these names.
    pub(super) fn with_names(names: Names) -> Self {
        let mut types = Self {
            names,
            nodes: Vec::new(),
            entries: Entries::default(),
            table: HashTable::new(),
            hasher: FixedState::with_seed(0),
        };
        types.add(Type::Void);
        types
    }

    /// Number of definitions, including `void`.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is nothing but `void`.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() <= 1
    }

    /// References of all definitions, in the order of interning; the first is `void`.
    pub fn refs(&self) -> impl Iterator<Item = TypeRef> + use<> {
        (0..self.nodes.len() as u32).map(TypeRef::at)
    }

    /// The names.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The names, to add to.
    pub fn names_mut(&mut self) -> &mut Names {
        &mut self.names
    }

    /// A definition; `void` if there is none.
    pub fn get(&self, ty: TypeRef) -> Type {
        self.nodes.get(ty.index()).map_or(Type::Void, |node| node.ty)
    }

    fn range(&self, ty: TypeRef) -> Range<usize> {
        self.nodes.get(ty.index()).map_or(Span::EMPTY, |node| node.span).range()
    }

    /// Members of a struct or union; none for other types.
    pub fn members(&self, ty: TypeRef) -> &[Member] {
        match self.get(ty) {
            Type::Composite { .. } => self.entries.members.get(self.range(ty)).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Enumerators of an enum; none for other types.
    pub fn enumerators(&self, ty: TypeRef) -> &[Enumerator] {
        match self.get(ty) {
            Type::Enum { .. } => self.entries.enumerators.get(self.range(ty)).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Parameters of a function prototype; none for other types.
    pub fn params(&self, ty: TypeRef) -> &[TypeRef] {
        match self.get(ty) {
            Type::FuncProto { .. } => self.entries.params.get(self.range(ty)).unwrap_or_default(),
            _ => &[],
        }
    }

    /// A definition's name, or the empty name.
    pub fn name_of(&self, ty: TypeRef) -> Name {
        match self.get(ty) {
            Type::Int { name, .. }
            | Type::Float { name, .. }
            | Type::Composite { name, .. }
            | Type::Enum { name, .. }
            | Type::Fwd { name, .. }
            | Type::Named { name, .. }
            | Type::Opaque { name, .. }
            | Type::Typedef { name, .. } => name,
            Type::Void | Type::Ptr { .. } | Type::Array { .. } | Type::FuncProto { .. } => Name::EMPTY,
        }
    }

    /// A typedef's target, or the type itself.
    pub fn skip_typedef(&self, ty: TypeRef) -> TypeRef {
        match self.get(ty) {
            Type::Typedef { target, .. } => target,
            _ => ty,
        }
    }

    /// Calls `visit` for each definition that this one refers to, by value or behind a pointer.
    pub fn parts(&self, ty: TypeRef, mut visit: impl FnMut(TypeRef)) {
        match self.get(ty) {
            Type::Ptr { pointee: part }
            | Type::Array { element: part, .. }
            | Type::Typedef { target: part, .. } => {
                visit(part);
            }
            Type::Composite { .. } => self.members(ty).iter().for_each(|member| visit(member.ty)),
            Type::FuncProto { result } => {
                visit(result);
                self.params(ty).iter().copied().for_each(visit);
            }
            Type::Void
            | Type::Int { .. }
            | Type::Float { .. }
            | Type::Enum { .. }
            | Type::Fwd { .. }
            | Type::Named { .. }
            | Type::Opaque { .. } => {}
        }
    }

    /// Adds a definition without members, enumerators or parameters, or finds it.
    pub fn add(&mut self, ty: Type) -> TypeRef {
        self.insert(Node { ty, span: Span::EMPTY }).ty
    }

    /// Adds a struct or union, or finds it.
    pub fn add_composite(&mut self, kind: Composite, name: Name, size: u32, members: &[Member]) -> TypeRef {
        let start = self.entries.members.len();
        let span = Span::append(&mut self.entries.members, members.iter().copied());
        let inserted = self.insert(Node { ty: Type::Composite { kind, name, size }, span });
        if !inserted.is_new {
            self.entries.members.truncate(start);
        }
        inserted.ty
    }

    /// Adds an enum, or finds it.
    pub fn add_enum(
        &mut self,
        name: Name,
        size: u32,
        signed: bool,
        wide: bool,
        enumerators: &[Enumerator],
    ) -> TypeRef {
        let start = self.entries.enumerators.len();
        let span = Span::append(&mut self.entries.enumerators, enumerators.iter().copied());
        let inserted = self.insert(Node { ty: Type::Enum { name, size, signed, wide }, span });
        if !inserted.is_new {
            self.entries.enumerators.truncate(start);
        }
        inserted.ty
    }

    /// Adds a function prototype, or finds it.
    pub fn add_func_proto(&mut self, result: TypeRef, params: &[TypeRef]) -> TypeRef {
        let start = self.entries.params.len();
        let span = Span::append(&mut self.entries.params, params.iter().copied());
        let inserted = self.insert(Node { ty: Type::FuncProto { result }, span });
        if !inserted.is_new {
            self.entries.params.truncate(start);
        }
        inserted.ty
    }

    fn insert(&mut self, node: Node) -> Inserted {
        let Self { nodes, entries, hasher, table, .. } = self;
        let hash = node.hash(hasher, entries);
        if let Some(&index) = table.find(hash, |&index| nodes[index as usize].equals(&node, entries)) {
            return Inserted { ty: TypeRef::at(index), is_new: false };
        }
        let index = nodes.len() as u32;
        nodes.push(node);
        table.insert_unique(hash, index, |&index| nodes[index as usize].hash(hasher, entries));
        Inserted { ty: TypeRef::at(index), is_new: true }
    }

    /// Appends a definition that cannot be looked up by content.
    pub(super) fn push_unindexed(&mut self, ty: Type) -> TypeRef {
        self.nodes.push(Node { ty, span: Span::EMPTY });
        TypeRef::at(self.nodes.len() as u32 - 1)
    }

    /// Sets the members of a struct or union that cannot be looked up by content.
    pub(super) fn set_members(&mut self, ty: TypeRef, members: impl Iterator<Item = Member>) {
        self.nodes[ty.index()].span = Span::append(&mut self.entries.members, members);
    }

    /// Sets the enumerators of an enum that cannot be looked up by content.
    pub(super) fn set_enumerators(&mut self, ty: TypeRef, enumerators: impl Iterator<Item = Enumerator>) {
        self.nodes[ty.index()].span = Span::append(&mut self.entries.enumerators, enumerators);
    }

    /// Sets the parameters of a function prototype that cannot be looked up by content.
    pub(super) fn set_params(&mut self, ty: TypeRef, params: impl Iterator<Item = TypeRef>) {
        self.nodes[ty.index()].span = Span::append(&mut self.entries.params, params);
    }
}

/// A definition that was added or found.
struct Inserted {
    ty: TypeRef,
    is_new: bool,
}
