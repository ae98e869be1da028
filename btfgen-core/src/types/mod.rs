//! The content-addressed graph of types: definitions stored once by content, named by [`TypeRef`].
//!
//! What a definition holds is just what a CO-RE relocation can read of it:
//! - a type contained by value (a member's type, an array's element, a typedef's target) is referred to by its content;
//! - behind a pointer a struct or union is referred to by kind and name only ([`Type::Named`]), because an access spec
//!   never crosses a pointer and both `bpf_core_types_are_compat` and `bpf_core_types_match` (`behind_ptr`) look no further;
//! - modifiers, type tags and the typedefs between a member and its type are gone, as `skip_mods_and_typedefs` skips them;
//! - functions, variables, data sections and declaration tags are no relocation's target and have no definition.

mod fixed;
mod intern;
mod names;
mod order;

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

pub use fixed::{Copier, CopyError, Fixed};
pub use intern::Interner;
pub use names::{Name, Names, essential_len};
pub(crate) use order::Ranking;

/// A definition in a [`Types`]; equal content has one reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeRef(u32);

impl TypeRef {
    /// The type `void`, which every [`Types`] holds.
    pub const VOID: Self = Self(0);

    /// Place in the order of interning.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A range of members, enumerators or parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Span {
    start: u32,
    len: u32,
}

/// Struct or union.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are C's own")]
pub enum Composite {
    Struct,
    Union,
}

/// One definition, in short; members and the like are had from [`Types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `void`
    Void,
    /// An integer: size in bytes, encoding bits (1 signed, 2 char, 4 bool), bit offset and width of old bitfields.
    Int {
        /// Its name.
        name: Name,
        /// Size in bytes.
        size: u32,
        /// Encoding bits.
        encoding: u8,
        /// Bit offset.
        offset: u8,
        /// Width in bits.
        bits: u8,
    },
    /// A floating-point number.
    Float {
        /// Its name.
        name: Name,
        /// Size in bytes.
        size: u32,
    },
    /// A pointer.
    Ptr {
        /// What it points at: structs and unions as [`Type::Named`].
        pointee: TypeRef,
    },
    /// An array.
    Array {
        /// Element type.
        element: TypeRef,
        /// Number of elements.
        len: u32,
    },
    /// A struct or union with its members.
    Composite {
        /// Struct or union.
        kind: Composite,
        /// Its name, or the empty name.
        name: Name,
        /// Size in bytes.
        size: u32,
    },
    /// An enum or enum64.
    Enum {
        /// Its name, or the empty name.
        name: Name,
        /// Size in bytes.
        size: u32,
        /// The kind flag: values are signed.
        signed: bool,
        /// An enum64.
        wide: bool,
    },
    /// A forward declaration.
    Fwd {
        /// Struct or union.
        kind: Composite,
        /// Its name.
        name: Name,
    },
    /// A struct or union behind a pointer, of which only kind and name count.
    Named {
        /// Struct or union.
        kind: Composite,
        /// Its name, or the empty name.
        name: Name,
    },
    /// A typedef, as a relocation's root; elsewhere its target stands in its place.
    Typedef {
        /// Its name.
        name: Name,
        /// What it stands for, without modifiers and further typedefs.
        target: TypeRef,
    },
    /// A function prototype.
    FuncProto {
        /// What it returns.
        result: TypeRef,
    },
}

/// A struct's or union's member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its name, or the empty name of an embedded struct or union.
    pub name: Name,
    /// Its type.
    pub ty: TypeRef,
    /// Offset in bits from the struct's start.
    pub bit_offset: u32,
    /// Size in bits of a bitfield, else 0.
    pub bitfield_size: u8,
}

/// An enum's enumerator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Enumerator {
    /// Its name.
    pub name: Name,
    /// Its value; that of a 32-bit enum is sign-extended.
    pub value: u64,
}

/// What a definition is hashed and compared by.
#[derive(Clone, Copy)]
struct Node {
    ty: Type,
    span: Span,
}

/// A store of definitions and names, to which definitions are only added.
#[derive(Clone)]
pub struct Types {
    names: Names,
    nodes: Vec<Node>,
    members: Vec<Member>,
    enumerators: Vec<Enumerator>,
    params: Vec<TypeRef>,
    table: HashTable<u32>,
    hasher: FixedState,
}

impl Default for Types {
    fn default() -> Self {
        Self::new()
    }
}

const NO_SPAN: Span = Span { start: 0, len: 0 };

impl Types {
    /// A store that holds `void` only.
    pub fn new() -> Self {
        let mut types = Self {
            names: Names::new(),
            nodes: Vec::new(),
            members: Vec::new(),
            enumerators: Vec::new(),
            params: Vec::new(),
            table: HashTable::new(),
            hasher: FixedState::with_seed(0),
        };
        types.add(Type::Void);
        types
    }

    /// Number of definitions, `void` included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// References of all definitions, in the order of interning.
    pub fn refs(&self) -> impl Iterator<Item = TypeRef> + use<> {
        (0..self.nodes.len() as u32).map(TypeRef)
    }

    /// Whether nothing but `void` is there.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() <= 1
    }

    /// The names.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The names, to add some.
    pub fn names_mut(&mut self) -> &mut Names {
        &mut self.names
    }

    /// A definition.
    pub fn get(&self, ty: TypeRef) -> Type {
        self.nodes.get(ty.index()).map_or(Type::Void, |node| node.ty)
    }

    fn span(&self, ty: TypeRef) -> std::ops::Range<usize> {
        let span = self.nodes.get(ty.index()).map_or(NO_SPAN, |node| node.span);
        span.start as usize..span.start as usize + span.len as usize
    }

    /// Members of a struct or union; none for other types.
    pub fn members(&self, ty: TypeRef) -> &[Member] {
        match self.get(ty) {
            Type::Composite { .. } => self.members.get(self.span(ty)).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Enumerators of an enum; none for other types.
    pub fn enumerators(&self, ty: TypeRef) -> &[Enumerator] {
        match self.get(ty) {
            Type::Enum { .. } => self.enumerators.get(self.span(ty)).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Parameters of a function prototype; none for other types.
    pub fn params(&self, ty: TypeRef) -> &[TypeRef] {
        match self.get(ty) {
            Type::FuncProto { .. } => self.params.get(self.span(ty)).unwrap_or_default(),
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
            | Type::Typedef { name, .. } => name,
            Type::Void | Type::Ptr { .. } | Type::Array { .. } | Type::FuncProto { .. } => Name::EMPTY,
        }
    }

    /// What a typedef stands for; other types stand for themselves.
    pub fn skip_typedef(&self, ty: TypeRef) -> TypeRef {
        match self.get(ty) {
            Type::Typedef { target, .. } => target,
            _ => ty,
        }
    }

    /// Adds a definition without members, enumerators or parameters.
    pub fn add(&mut self, ty: Type) -> TypeRef {
        self.insert(Node { ty, span: NO_SPAN })
    }

    /// Adds a struct or union.
    pub fn add_composite(&mut self, kind: Composite, name: Name, size: u32, members: &[Member]) -> TypeRef {
        let span = Span { start: self.members.len() as u32, len: members.len() as u32 };
        self.members.extend_from_slice(members);
        let ty = self.insert(Node { ty: Type::Composite { kind, name, size }, span });
        self.drop_if_known(ty, span, |types, start| types.members.truncate(start));
        ty
    }

    /// Adds an enum.
    pub fn add_enum(
        &mut self,
        name: Name,
        size: u32,
        signed: bool,
        wide: bool,
        enumerators: &[Enumerator],
    ) -> TypeRef {
        let span = Span { start: self.enumerators.len() as u32, len: enumerators.len() as u32 };
        self.enumerators.extend_from_slice(enumerators);
        let ty = self.insert(Node { ty: Type::Enum { name, size, signed, wide }, span });
        self.drop_if_known(ty, span, |types, start| types.enumerators.truncate(start));
        ty
    }

    /// Adds a function prototype.
    pub fn add_func_proto(&mut self, result: TypeRef, params: &[TypeRef]) -> TypeRef {
        let span = Span { start: self.params.len() as u32, len: params.len() as u32 };
        self.params.extend_from_slice(params);
        let ty = self.insert(Node { ty: Type::FuncProto { result }, span });
        self.drop_if_known(ty, span, |types, start| types.params.truncate(start));
        ty
    }

    /// Takes the members of a definition back that was there already.
    fn drop_if_known(&mut self, ty: TypeRef, span: Span, truncate: impl FnOnce(&mut Self, usize)) {
        if self.nodes[ty.index()].span.start != span.start {
            truncate(self, span.start as usize);
        }
    }

    fn insert(&mut self, node: Node) -> TypeRef {
        let hash = self.hash(&node);
        let found = self.table.find(hash, |&index| self.same(&self.nodes[index as usize], &node));
        if let Some(&index) = found {
            return TypeRef(index);
        }
        let index = self.nodes.len() as u32;
        self.nodes.push(node);
        let Self { nodes, members, enumerators, params, hasher, table, .. } = self;
        table.insert_unique(hash, index, |&index| {
            hash_node(hasher, &nodes[index as usize], members, enumerators, params)
        });
        TypeRef(index)
    }

    fn hash(&self, node: &Node) -> u64 {
        hash_node(&self.hasher, node, &self.members, &self.enumerators, &self.params)
    }

    fn same(&self, a: &Node, b: &Node) -> bool {
        let range = |span: Span| span.start as usize..(span.start + span.len) as usize;
        let (left, right) = (range(a.span), range(b.span));
        a.ty == b.ty
            && a.span.len == b.span.len
            && match a.ty {
                Type::Composite { .. } => self.members[left] == self.members[right],
                Type::Enum { .. } => self.enumerators[left] == self.enumerators[right],
                Type::FuncProto { .. } => self.params[left] == self.params[right],
                _ => true,
            }
    }
}

fn hash_node(
    hasher: &FixedState,
    node: &Node,
    members: &[Member],
    enumerators: &[Enumerator],
    params: &[TypeRef],
) -> u64 {
    let mut state = hasher.build_hasher();
    let range = node.span.start as usize..(node.span.start + node.span.len) as usize;
    let mut word = |tag: u64, a: u32, b: u32| state.write_u64(tag << 60 ^ u64::from(a) << 30 ^ u64::from(b));
    match node.ty {
        Type::Void => word(0, 0, 0),
        Type::Int { name, size, encoding, offset, bits } => {
            word(1, name.number(), size ^ u32::from_le_bytes([0, encoding, offset, bits]));
        }
        Type::Float { name, size } => word(2, name.number(), size),
        Type::Ptr { pointee } => word(3, pointee.0, 0),
        Type::Array { element, len } => word(4, element.0, len),
        Type::Composite { kind, name, size } => word(5 + kind as u64, name.number(), size),
        Type::Enum { name, size, .. } => word(7, name.number(), size),
        Type::Fwd { kind, name } => word(8 + kind as u64, name.number(), 0),
        Type::Named { kind, name } => word(10 + kind as u64, name.number(), 0),
        Type::Typedef { name, target } => word(12, name.number(), target.0),
        Type::FuncProto { result } => word(13, result.0, 0),
    }
    match node.ty {
        Type::Composite { .. } => {
            for member in &members[range] {
                state.write_u64(u64::from(member.name.number()) << 32 | u64::from(member.ty.0));
                state.write_u64(u64::from(member.bit_offset) << 8 | u64::from(member.bitfield_size));
            }
        }
        Type::Enum { .. } => enumerators[range].hash(&mut state),
        Type::FuncProto { .. } => params[range].hash(&mut state),
        _ => {}
    }
    state.finish()
}
