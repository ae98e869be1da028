//! Copies of definitions from one store to another.

use super::definition::{Enumerator, Member, Type, TypeRef};
use super::names::Name;
use super::store::Types;
use super::visit::Visit;

/// Deepest nesting that is copied; the interner accepts less.
const MAX_DEPTH: u32 = 512;

/// A definition that contains itself or is nested too deeply, as no interned one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("definition {index} contains itself or is nested too deeply")]
pub struct CopyError {
    /// Its index.
    pub index: usize,
}

/// Copies definitions and everything that they contain from one store into another, each once.
pub struct Copier<'f> {
    from: &'f Types,
    /// Whether a definition's copy has its name.
    keeps_name: &'f dyn Fn(TypeRef) -> bool,
    /// For each definition of `from` its copy.
    types: Vec<Visit>,
    /// For each name of `from` its copy.
    names: Vec<Option<Name>>,
    members: Vec<Member>,
    enumerators: Vec<Enumerator>,
    params: Vec<TypeRef>,
}

impl<'f> Copier<'f> {
    /// A copier that has copied nothing yet; all its copies must go to one store.
    pub fn new(from: &'f Types) -> Self {
        Self::with_names(from, &|_| true)
    }

    /// A copier that leaves out the names of some definitions.
    pub(crate) fn with_names(from: &'f Types, keeps_name: &'f dyn Fn(TypeRef) -> bool) -> Self {
        Self {
            from,
            keeps_name,
            types: vec![Visit::Unseen; from.len()],
            names: vec![None; from.names().len()],
            members: Vec::new(),
            enumerators: Vec::new(),
            params: Vec::new(),
        }
    }

    /// Copies a definition, or finds it.
    ///
    /// # Errors
    /// When the definition contains itself, as one read from a file may.
    pub fn copy(&mut self, into: &mut Types, ty: TypeRef) -> Result<TypeRef, CopyError> {
        self.follow(into, ty, 0)
    }

    fn name(&mut self, into: &mut Types, name: Name) -> Name {
        let Some(copy) = self.names.get_mut(name.index()) else { return Name::EMPTY };
        *copy.get_or_insert_with(|| into.names_mut().add(self.from.names().get(name)))
    }

    fn follow(&mut self, into: &mut Types, ty: TypeRef, depth: u32) -> Result<TypeRef, CopyError> {
        if ty == TypeRef::VOID {
            return Ok(ty);
        }
        let error = CopyError { index: ty.index() };
        match self.types.get(ty.index()) {
            Some(Visit::Unseen) => {}
            Some(Visit::Open) | None => return Err(error),
            Some(Visit::Done(copy)) => return Ok(*copy),
        }
        if depth == MAX_DEPTH {
            return Err(error);
        }
        self.types[ty.index()] = Visit::Open;
        let copy = self.define(into, ty, depth + 1)?;
        self.types[ty.index()] = Visit::Done(copy);
        Ok(copy)
    }

    fn define(&mut self, into: &mut Types, ty: TypeRef, depth: u32) -> Result<TypeRef, CopyError> {
        let from = self.from;
        let name = if (self.keeps_name)(ty) { self.name(into, from.name_of(ty)) } else { Name::EMPTY };
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
            Type::Opaque { kind, .. } => into.add(Type::Opaque { name, kind }),
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
