//! Interning: definitions from a raw BTF's types, followed as far as a relocation can read.

use super::definition::{Composite, Enumerator, Member, Type, TypeRef};
use super::names::Name;
use super::store::Types;
use super::visit::Visit;
use crate::btf::{self, Btf, BtfError, Kind, NameReader, RawType, StrOffset, TypeId};

/// Deepest nesting of types that is followed; that of kernels is far below.
const MAX_DEPTH: u32 = 200;

/// Longest chain of typedefs, modifiers and arrays, as libbpf's `btf__resolve_size` (`MAX_RESOLVE_DEPTH`) follows.
const MAX_CHAIN: u32 = 32;

/// How a type is referred to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    /// By value: its members count.
    Value,
    /// Behind a pointer: of a struct or union only kind and name count.
    Pointee,
}

/// What is known of one type of the BTF.
#[derive(Clone, Copy)]
struct Seen {
    by_value: Visit,
    by_pointer: Visit,
}

impl Seen {
    fn in_context(&mut self, context: Context) -> &mut Visit {
        match context {
            Context::Value => &mut self.by_value,
            Context::Pointee => &mut self.by_pointer,
        }
    }
}

/// Interns types of one BTF into a [`Types`]; each type is followed once.
pub struct Interner<'b, 'a> {
    btf: &'b Btf<'a>,
    reader: NameReader<'b, 'a>,
    /// For each type id.
    seen: Vec<Seen>,
    members: Vec<Member>,
    enumerators: Vec<Enumerator>,
    params: Vec<TypeRef>,
    /// Bytes of the names that were new to the store.
    name_bytes: usize,
    name_limit: usize,
}

impl<'b, 'a> Interner<'b, 'a> {
    /// An interner that has seen nothing yet.
    pub fn new(btf: &'b Btf<'a>) -> Self {
        let unseen = Seen { by_value: Visit::Unseen, by_pointer: Visit::Unseen };
        Self {
            btf,
            reader: NameReader::new(btf),
            seen: vec![unseen; btf.type_count() as usize],
            members: Vec::new(),
            enumerators: Vec::new(),
            params: Vec::new(),
            name_bytes: 0,
            // A linker may merge a name with the end of a longer one, but no more than that.
            name_limit: 2 * btf.string_len() + (1 << 16),
        }
    }

    /// Interns a type as a relocation's root: a typedef is kept, a modifier is skipped.
    ///
    /// # Errors
    /// When the type or one that it contains is malformed, contains itself, or is not data.
    pub fn root(&mut self, types: &mut Types, id: TypeId) -> Result<TypeRef, BtfError> {
        if id == TypeId::VOID {
            return Ok(TypeRef::VOID);
        }
        let raw = self.btf.type_by_id(id)?;
        if raw.kind != Kind::Typedef {
            return self.follow(types, id, Context::Value, 0);
        }
        let target = self.follow(types, raw.target(), Context::Value, 0)?;
        let name = self.name(types, &raw)?;
        Ok(types.add(Type::Typedef { name, target }))
    }

    fn name(&mut self, types: &mut Types, raw: &RawType<'_>) -> Result<Name, BtfError> {
        self.string(types, raw.name_off)
    }

    fn string(&mut self, types: &mut Types, offset: StrOffset) -> Result<Name, BtfError> {
        if offset == StrOffset::EMPTY {
            return Ok(Name::EMPTY);
        }
        let name = self.reader.name(offset)?;
        let known = types.names().len();
        let added = types.names_mut().add(name);
        if types.names().len() > known {
            self.name_bytes += name.len();
        }
        if self.name_bytes > self.name_limit {
            return Err(BtfError::LongNames { limit: self.name_limit });
        }
        Ok(added)
    }

    /// Skips modifiers and typedefs, as libbpf's `skip_mods_and_typedefs`, and counts them.
    fn skip(&self, mut id: TypeId) -> Result<(Option<RawType<'a>>, u32), BtfError> {
        for skipped in 0..MAX_CHAIN {
            if id == TypeId::VOID {
                return Ok((None, skipped));
            }
            let raw = self.btf.type_by_id(id)?;
            if !(raw.kind.is_modifier() || raw.kind == Kind::Typedef) {
                return Ok((Some(raw), skipped));
            }
            id = raw.target();
        }
        Err(BtfError::TooDeep { id })
    }

    fn follow(
        &mut self,
        types: &mut Types,
        id: TypeId,
        context: Context,
        depth: u32,
    ) -> Result<TypeRef, BtfError> {
        let (Some(raw), _) = self.skip(id)? else { return Ok(TypeRef::VOID) };
        match *self.seen[raw.id.index()].in_context(context) {
            Visit::Unseen => {}
            Visit::Open => return Err(BtfError::Cycle { id: raw.id }),
            Visit::Done(ty) => return Ok(ty),
        }
        if depth == MAX_DEPTH {
            return Err(BtfError::TooDeep { id: raw.id });
        }
        *self.seen[raw.id.index()].in_context(context) = Visit::Open;
        let ty = self.define(types, &raw, context, depth + 1)?;
        *self.seen[raw.id.index()].in_context(context) = Visit::Done(ty);
        Ok(ty)
    }

    fn define(
        &mut self,
        types: &mut Types,
        raw: &RawType<'a>,
        context: Context,
        depth: u32,
    ) -> Result<TypeRef, BtfError> {
        let name = self.name(types, raw)?;
        Ok(match raw.kind {
            Kind::Int => types.add(Type::Int {
                name,
                size: raw.size(),
                encoding: raw.int_encoding(),
                offset: raw.int_offset(),
                bits: raw.int_bits(),
            }),
            Kind::Float => types.add(Type::Float { name, size: raw.size() }),
            Kind::Ptr => {
                let pointee = self.follow(types, raw.target(), Context::Pointee, depth)?;
                types.add(Type::Ptr { pointee })
            }
            Kind::Array => {
                self.check_chain(raw)?;
                let element = self.follow(types, raw.array_element(), context, depth)?;
                types.add(Type::Array { element, len: raw.array_len() })
            }
            Kind::Struct | Kind::Union => {
                let kind = if raw.kind == Kind::Struct { Composite::Struct } else { Composite::Union };
                match context {
                    Context::Pointee => types.add(Type::Named { kind, name }),
                    Context::Value => self.composite(types, raw, kind, name, depth)?,
                }
            }
            Kind::Enum | Kind::Enum64 => {
                self.enumerators.clear();
                for btf::Enumerator { name, value } in raw.enumerators() {
                    let name = self.string(types, name)?;
                    self.enumerators.push(Enumerator { name, value });
                }
                let wide = raw.kind == Kind::Enum64;
                types.add_enum(name, raw.size(), raw.kflag, wide, &self.enumerators)
            }
            Kind::Fwd => {
                let kind = if raw.kflag { Composite::Union } else { Composite::Struct };
                types.add(Type::Fwd { kind, name })
            }
            Kind::FuncProto => {
                let result = self.follow(types, raw.target(), context, depth)?;
                let start = self.params.len();
                for param in raw.params() {
                    let ty = self.follow(types, param.ty, context, depth)?;
                    self.params.push(ty);
                }
                let ty = types.add_func_proto(result, &self.params[start..]);
                self.params.truncate(start);
                ty
            }
            Kind::Unknown(kind) => types.add(Type::Opaque { name, kind }),
            Kind::Void
            | Kind::Typedef
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::TypeTag
            | Kind::Func
            | Kind::Var
            | Kind::Datasec
            | Kind::DeclTag => return Err(BtfError::UnexpectedKind { id: raw.id, kind: raw.kind }),
        })
    }

    fn composite(
        &mut self,
        types: &mut Types,
        raw: &RawType<'a>,
        kind: Composite,
        name: Name,
        depth: u32,
    ) -> Result<TypeRef, BtfError> {
        let start = self.members.len();
        for btf::Member { name, ty, bit_offset, bitfield_size } in raw.members() {
            let ty = self.follow(types, ty, Context::Value, depth)?;
            let name = self.string(types, name)?;
            self.members.push(Member { name, ty, bit_offset, bitfield_size });
        }
        let ty = types.add_composite(kind, name, raw.size(), &self.members[start..]);
        self.members.truncate(start);
        Ok(ty)
    }

    /// Refuses an array of arrays whose typedefs and modifiers make a chain longer than libbpf resolves.
    fn check_chain(&self, array: &RawType<'a>) -> Result<(), BtfError> {
        let mut raw = *array;
        let mut links = 0;
        while raw.kind == Kind::Array {
            let (next, skipped) = self.skip(raw.array_element())?;
            links += 1 + skipped;
            if links >= MAX_CHAIN {
                return Err(BtfError::TooDeep { id: array.id });
            }
            let Some(next) = next else { break };
            raw = next;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::iter::repeat_n;

    use super::*;
    use crate::btf::Endian;
    use crate::btf::testing::{record, wide};

    #[test]
    fn names_may_be_long_but_not_again_and_again() {
        /// Interns types that are named by strings at these offsets.
        fn intern(strings: &[u8], names: impl Iterator<Item = u32>) -> Result<usize, BtfError> {
            let records: Vec<Vec<u32>> =
                names.map(|name| record(name, Kind::Fwd.number(), 0, 0, &[])).collect();
            let bytes = wide(Endian::Little, &records, &[], strings);
            let btf = Btf::parse(&bytes)?;
            let (mut types, mut interner) = (Types::new(), Interner::new(&btf));
            btf.types().try_for_each(|ty| interner.root(&mut types, ty.id).map(|_| ()))?;
            Ok(types.len() - 1)
        }
        let long = [b"\0".as_slice(), &[b'x'; 100_000], b"\0"].concat();
        assert_eq!(intern(&long, repeat_n(1, 1)), Ok(1));
        assert_eq!(intern(&long, repeat_n(1, 50)), Ok(1));
        assert!(matches!(intern(&long, repeat_n(1, 100)), Err(BtfError::LongNames { .. })));
        // Ordinary names may be repeated without limit, and a linker may merge a name with the end of another.
        assert_eq!(intern(b"\0short\0", repeat_n(1, 100_000)), Ok(1));
        assert_eq!(intern(&long, 1..3), Ok(2));
        assert!(matches!(intern(&long, 1..10), Err(BtfError::LongNames { .. })));
    }
}
