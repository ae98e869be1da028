//! Definitions read from a file, in the file's order.

use std::ops::Deref;

use super::definition::{Enumerator, Member, Type, TypeRef};
use super::names::Names;
use super::store::Types;

/// A store whose definitions are appended in the order of a file. They may refer to later ones, even in a circle, and
/// cannot be looked up by content; [`Copier`] checks them.
///
/// [`Copier`]: super::Copier
#[derive(Clone)]
pub(crate) struct UncheckedTypes(Types);

impl Deref for UncheckedTypes {
    type Target = Types;

    fn deref(&self) -> &Types {
        &self.0
    }
}

impl UncheckedTypes {
    /// A store with these names and `void`.
    pub(crate) fn new(names: Names) -> Self {
        Self(Types::with_names(names))
    }

    /// Appends a definition, still without members, enumerators or parameters.
    pub(crate) fn push(&mut self, ty: Type) -> TypeRef {
        self.0.push_unindexed(ty)
    }

    /// Sets the members of a struct or union.
    pub(crate) fn set_members(&mut self, ty: TypeRef, members: impl Iterator<Item = Member>) {
        self.0.set_members(ty, members);
    }

    /// Sets the enumerators of an enum.
    pub(crate) fn set_enumerators(&mut self, ty: TypeRef, enumerators: impl Iterator<Item = Enumerator>) {
        self.0.set_enumerators(ty, enumerators);
    }

    /// Sets the parameters of a function prototype.
    pub(crate) fn set_params(&mut self, ty: TypeRef, params: impl Iterator<Item = TypeRef>) {
        self.0.set_params(ty, params);
    }
}
