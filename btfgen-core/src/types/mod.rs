//! The content-addressed graph of types: definitions stored once by content, identified by [`TypeRef`].
//!
//! A definition holds exactly what a CO-RE relocation can read of it:
//! - A type contained by value (a member's type, an array's element, a typedef's target) counts by its content.
//! - Behind a pointer, a struct or union counts by kind and name only ([`Type::Named`]): an access spec never crosses a
//!   pointer, and `bpf_core_types_are_compat` and `bpf_core_types_match` (`behind_ptr`) look no further.
//! - Modifiers, type tags and typedefs between a member and its type are dropped, as `skip_mods_and_typedefs` skips them.
//! - A type of a kind that this version does not know is kept as [`Type::Opaque`]: what depends on it cannot be resolved.
//! - Functions, variables, data sections and declaration tags have no definition: no relocation targets them.
//!
//! In the order of imports: `names`, `definition`, `store`, `order`, `unchecked`, `visit`, `copy`, `intern`, `emit`.

mod copy;
mod definition;
mod emit;
mod intern;
mod names;
mod order;
mod store;
mod unchecked;
mod visit;

pub use copy::{Copier, CopyError};
pub(crate) use definition::DefinitionKind;
pub use definition::{Composite, Enumerator, Member, Type, TypeRef};
pub(crate) use emit::{Emission, emit};
pub use intern::Interner;
pub use names::{Name, Names, essential_len};
pub(crate) use order::Ranking;
pub use store::Types;
pub(crate) use unchecked::UncheckedTypes;
