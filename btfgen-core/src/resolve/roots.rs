//! Roots: all that a set of objects asks of a kernel, each question once.
//!
//! A root is what candidates are looked up by: a kind and an essential name. Under it stand the distinct relocations of
//! all objects; thousands of relocations of a large object come down to a few questions a root.

use super::{LocalFailure, LocalSpec, RelocationKind, check_local};
use crate::btf::{Btf, DataModel, Kind, TypeId};
use crate::memo::Memo;
use crate::object::{Asks, Object, ObjectError};
use crate::types::{Interner, Name, TypeRef, Types, essential_len};

/// Kinds that libbpf's `btf_kind_core_compat` looks up together.
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
    /// The root kind of a BTF kind, if a relocation can look it up by name.
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
}

/// One distinct relocation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// Its local spec.
    pub spec: LocalSpec,
    /// Byte order and pointer size of its object.
    pub model: DataModel,
}

/// A kind and an essential name, and the questions that are asked of its candidates.
#[derive(Debug, Clone)]
pub struct Root {
    /// The kind.
    pub kind: RootKind,
    /// The name without a flavor.
    pub name: Name,
    /// The questions.
    pub questions: Vec<Question>,
}

impl Root {
    /// Whether a question asks for the target's type id.
    pub fn asks_for_id(&self) -> bool {
        self.questions.iter().any(|question| question.spec.kind == RelocationKind::TypeIdTarget)
    }
}

/// Where what a relocation of an object asks has its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Among the answers of a root: root, question, and the local type id by which libbpf remembers pruned candidates.
    Root {
        /// The root's place.
        root: usize,
        /// The question's place.
        question: usize,
        /// The local root type's id.
        local: u32,
    },
    /// It asks for a local id and needs no kernel.
    Local,
    /// It fails whatever the kernel.
    Failure(LocalFailure),
}

/// All roots of a set of objects, with the definitions of their local types.
#[derive(Clone)]
pub struct Roots {
    types: Types,
    roots: Vec<Root>,
    index: Memo<(RootKind, Name), usize>,
    places: Vec<Vec<Place>>,
}

impl Roots {
    /// Collects the questions of all objects.
    ///
    /// # Errors
    /// When an object's local types are malformed beyond what a relocation's own failure tells.
    pub fn new(objects: &[Object]) -> Result<Self, ObjectError> {
        Self::with_types(Types::new(), objects)
    }

    /// As [`Roots::new`], above definitions that are there already, such as a hub file's.
    ///
    /// # Errors
    /// As [`Roots::new`].
    pub fn with_types(types: Types, objects: &[Object]) -> Result<Self, ObjectError> {
        let (index, places) = (Memo::default(), Vec::new());
        let mut roots = Self { types, roots: Vec::new(), index, places };
        let mut questions = Memo::default();
        for object in objects {
            let places = roots.add(object, &mut questions)?;
            roots.places.push(places);
        }
        Ok(roots)
    }

    fn add(
        &mut self,
        object: &Object,
        questions: &mut Memo<(usize, Question), usize>,
    ) -> Result<Vec<Place>, ObjectError> {
        let btf = Btf::parse(object.btf()).map_err(ObjectError::Btf)?;
        // As libbpf's `bpf_object__init_btf` has it, whatever the size of the object's `long`.
        let model = DataModel { pointer_size: 8, ..btf.data_model() };
        let mut interner = Interner::new(&btf);
        let mut places = Vec::with_capacity(object.asks().len());
        for Asks { root, access, kind } in object.asks() {
            let place = match *kind {
                Ok(kind) => self.place(&btf, &mut interner, model, (*root, access, kind), questions),
                Err(number) => Err(LocalFailure::Kind(number)),
            };
            places.push(place.unwrap_or_else(Place::Failure));
        }
        Ok(places)
    }

    fn place(
        &mut self,
        btf: &Btf<'_>,
        interner: &mut Interner<'_, '_>,
        model: DataModel,
        (local, access, kind): (u32, &str, RelocationKind),
        questions: &mut Memo<(usize, Question), usize>,
    ) -> Result<Place, LocalFailure> {
        let definition = interner.root(&mut self.types, TypeId(local))?;
        let spec = LocalSpec::parse(&self.types, model, definition, kind, access)?;
        if kind == RelocationKind::TypeIdLocal {
            return Ok(Place::Local);
        }
        // libbpf takes the name of the very type that the relocation names; a modifier has none.
        let raw = btf.type_by_id(TypeId(local))?;
        let name = self.types.name_of(definition);
        let Some(root_kind) = RootKind::of(raw.kind).filter(|_| name != Name::EMPTY) else {
            return Err(LocalFailure::Anonymous);
        };
        check_local(&self.types, model, &spec)?;
        let name = self.types.names().essential(name);
        let next = self.roots.len();
        let root = *self.index.entry((root_kind, name)).or_insert(next);
        if root == next {
            self.roots.push(Root { kind: root_kind, name, questions: Vec::new() });
        }
        let question = Question { spec, model };
        let asked = &mut self.roots[root].questions;
        let question = *questions.entry((root, question)).or_insert_with_key(|(_, question)| {
            asked.push(question.clone());
            asked.len() - 1
        });
        Ok(Place::Root { root, question, local })
    }

    /// The roots.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// The definitions of the local types, and of what was there before.
    pub fn types(&self) -> &Types {
        &self.types
    }

    /// For each object, where each thing that its relocations ask has its answer: in the order of [`Object::asks`].
    pub fn places(&self) -> &[Vec<Place>] {
        &self.places
    }

    /// The root that a type of that kind and name is a candidate of.
    pub fn root_of(&self, kind: RootKind, name: &[u8]) -> Option<usize> {
        self.root_named(kind, self.essential_name(name)?)
    }

    /// The essential name of a name, if there is one among the roots' names.
    pub(crate) fn essential_name(&self, name: &[u8]) -> Option<Name> {
        self.types.names().find(&name[..essential_len(name)])
    }

    /// The root of that kind and essential name.
    pub(crate) fn root_named(&self, kind: RootKind, essential: Name) -> Option<usize> {
        self.index.get(&(kind, essential)).copied()
    }

    /// The root that a definition is a candidate of, in a store that continues this one's.
    pub fn root_of_definition(&self, types: &Types, ty: TypeRef) -> Option<usize> {
        use crate::types::{Composite, Type};
        let kind = match types.get(ty) {
            Type::Int { .. } => RootKind::Int,
            Type::Float { .. } => RootKind::Float,
            Type::Composite { kind: Composite::Struct, .. } => RootKind::Struct,
            Type::Composite { kind: Composite::Union, .. } => RootKind::Union,
            Type::Enum { .. } => RootKind::Enum,
            Type::Fwd { .. } => RootKind::Fwd,
            Type::Typedef { .. } => RootKind::Typedef,
            Type::Void
            | Type::Ptr { .. }
            | Type::Array { .. }
            | Type::Named { .. }
            | Type::FuncProto { .. } => {
                return None;
            }
        };
        self.index.get(&(kind, types.names().essential(types.name_of(ty)))).copied()
    }
}
