//! Definitions in an order of their own, and copies from one store to another.

use std::ops::Deref;

use super::{Enumerator, Member, NO_SPAN, Name, Names, Node, Span, Type, TypeRef, Types};

/// Deepest nesting that is copied; the interner builds none as deep.
const MAX_DEPTH: u32 = 512;

/// A store read from outside: its definitions stand in the order they came, may refer to later ones, and are not
/// looked up by content.
#[derive(Clone)]
pub struct Fixed(Types);

impl Deref for Fixed {
    type Target = Types;

    fn deref(&self) -> &Types {
        &self.0
    }
}

impl Fixed {
    /// A store with these names, `void` and room for more definitions.
    pub(crate) fn new(names: Names, definitions: usize) -> Self {
        let mut types = Types { names, ..Types::new() };
        types.nodes.reserve(definitions);
        Self(types)
    }

    /// Puts names in the place of those that it began with.
    pub(crate) fn set_names(&mut self, names: Names) {
        self.0.names = names;
    }

    /// Appends a definition, still without members, enumerators or parameters.
    pub(crate) fn push(&mut self, ty: Type) -> TypeRef {
        self.0.nodes.push(Node { ty, span: NO_SPAN });
        TypeRef(self.0.nodes.len() as u32 - 1)
    }

    /// Gives a struct or union its members.
    pub(crate) fn set_members(&mut self, ty: TypeRef, members: impl Iterator<Item = Member>) {
        let start = self.0.members.len() as u32;
        self.0.members.extend(members);
        let len = self.0.members.len() as u32 - start;
        if let Some(node) = self.0.nodes.get_mut(ty.index()) {
            node.span = Span { start, len };
        }
    }

    /// Gives an enum its enumerators.
    pub(crate) fn set_enumerators(&mut self, ty: TypeRef, enumerators: impl Iterator<Item = Enumerator>) {
        let start = self.0.enumerators.len() as u32;
        self.0.enumerators.extend(enumerators);
        let len = self.0.enumerators.len() as u32 - start;
        if let Some(node) = self.0.nodes.get_mut(ty.index()) {
            node.span = Span { start, len };
        }
    }

    /// Appends a function prototype.
    pub(crate) fn push_func_proto(&mut self, result: TypeRef, params: impl Iterator<Item = TypeRef>) {
        let start = self.0.params.len() as u32;
        self.0.params.extend(params);
        let len = self.0.params.len() as u32 - start;
        self.0.nodes.push(Node { ty: Type::FuncProto { result }, span: Span { start, len } });
    }
}

impl TypeRef {
    /// The reference of the definition at that place; nothing checks that there is one.
    pub(crate) fn at(index: u32) -> Self {
        Self(index)
    }

    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

/// A definition that no interned one can be: it contains itself, or is nested without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("definition {index} contains itself or is nested too deeply")]
pub struct CopyError {
    /// Its place.
    pub index: usize,
}

const UNSEEN: u32 = 0;
const OPEN: u32 = u32::MAX;

/// Copies definitions, and all that they contain, from one store into another; each once.
pub struct Copier<'f> {
    from: &'f Types,
    /// For each definition [`UNSEEN`], [`OPEN`] or its place in the other store plus one.
    types: Vec<u32>,
    names: Vec<u32>,
    members: Vec<Member>,
    enumerators: Vec<Enumerator>,
    params: Vec<TypeRef>,
}

impl<'f> Copier<'f> {
    /// A copier that has copied nothing; all copies must go to one store.
    pub fn new(from: &'f Types) -> Self {
        Self {
            from,
            types: vec![UNSEEN; from.len()],
            names: vec![UNSEEN; from.names().len()],
            members: Vec::new(),
            enumerators: Vec::new(),
            params: Vec::new(),
        }
    }

    /// Copies a definition, or finds it.
    ///
    /// # Errors
    /// When a [`Fixed`] store's definition contains itself.
    pub fn copy(&mut self, into: &mut Types, ty: TypeRef) -> Result<TypeRef, CopyError> {
        self.follow(into, ty, 0)
    }

    fn name(&mut self, into: &mut Types, name: Name) -> Name {
        let Some(known) = self.names.get_mut(name.index()) else { return Name::EMPTY };
        if *known == UNSEEN {
            *known = into.names_mut().add(self.from.names().get(name)).number() + 1;
        }
        Name::at(*known - 1)
    }

    fn follow(&mut self, into: &mut Types, ty: TypeRef, depth: u32) -> Result<TypeRef, CopyError> {
        if ty == TypeRef::VOID {
            return Ok(ty);
        }
        let error = CopyError { index: ty.index() };
        match self.types.get(ty.index()).copied().unwrap_or(OPEN) {
            UNSEEN => {}
            OPEN => return Err(error),
            known => return Ok(TypeRef(known - 1)),
        }
        if depth == MAX_DEPTH {
            return Err(error);
        }
        self.types[ty.index()] = OPEN;
        let copy = self.define(into, ty, depth + 1)?;
        self.types[ty.index()] = copy.0 + 1;
        Ok(copy)
    }

    fn define(&mut self, into: &mut Types, ty: TypeRef, depth: u32) -> Result<TypeRef, CopyError> {
        let from = self.from;
        let name = self.name(into, from.name_of(ty));
        Ok(match from.get(ty) {
            Type::Void => TypeRef::VOID,
            Type::Int { size, encoding, offset, bits, .. } => {
                into.add(Type::Int { name, size, encoding, offset, bits })
            }
            Type::Float { size, .. } => into.add(Type::Float { name, size }),
            Type::Ptr { pointee } => {
                let pointee = self.follow(into, pointee, depth)?;
                into.add(Type::Ptr { pointee })
            }
            Type::Array { element, len } => {
                let element = self.follow(into, element, depth)?;
                into.add(Type::Array { element, len })
            }
            Type::Composite { kind, size, .. } => {
                let start = self.members.len();
                for member in from.members(ty) {
                    let ty = self.follow(into, member.ty, depth)?;
                    let name = self.name(into, member.name);
                    self.members.push(Member { name, ty, ..*member });
                }
                let copy = into.add_composite(kind, name, size, &self.members[start..]);
                self.members.truncate(start);
                copy
            }
            Type::Enum { size, signed, wide, .. } => {
                self.enumerators.clear();
                for &Enumerator { name, value } in from.enumerators(ty) {
                    let name = self.name(into, name);
                    self.enumerators.push(Enumerator { name, value });
                }
                into.add_enum(name, size, signed, wide, &self.enumerators)
            }
            Type::Fwd { kind, .. } => into.add(Type::Fwd { kind, name }),
            Type::Named { kind, .. } => into.add(Type::Named { kind, name }),
            Type::Typedef { target, .. } => {
                let target = self.follow(into, target, depth)?;
                into.add(Type::Typedef { name, target })
            }
            Type::FuncProto { result } => {
                let result = self.follow(into, result, depth)?;
                let start = self.params.len();
                for &param in from.params(ty) {
                    let param = self.follow(into, param, depth)?;
                    self.params.push(param);
                }
                let copy = into.add_func_proto(result, &self.params[start..]);
                self.params.truncate(start);
                copy
            }
        })
    }
}

impl Types {
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
            | Type::Named { .. } => {}
        }
    }
}
