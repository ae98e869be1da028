//! Interning: a raw BTF's types, followed as far as a relocation can read, become definitions.

use super::{Composite, Enumerator, Member, Name, Type, TypeRef, Types};
use crate::btf::{Btf, BtfError, Kind, RawType, VOID};

/// Deepest nesting of types that is followed; compilers and kernels stay far below.
const MAX_DEPTH: u32 = 200;

/// Longest chain of typedefs, modifiers and arrays, as libbpf's `btf__resolve_size` (`MAX_RESOLVE_DEPTH`) follows.
const MAX_CHAIN: u32 = 32;

/// How far a type is followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is contained: its members count.
    Value = 0,
    /// It is behind a pointer: of a struct or union only kind and name count.
    Pointee = 1,
}

const UNSEEN: u32 = 0;
const OPEN: u32 = u32::MAX;

/// Interns types of one BTF into a [`Types`]; each type is followed once.
pub struct Interner<'b, 'a> {
    btf: &'b Btf<'a>,
    /// For each place and type id: [`UNSEEN`], [`OPEN`] or the reference's index plus one.
    seen: [Vec<u32>; 2],
    members: Vec<Member>,
    enumerators: Vec<Enumerator>,
    params: Vec<TypeRef>,
    /// Bytes of the names that were new.
    name_bytes: usize,
    name_limit: usize,
}

impl<'b, 'a> Interner<'b, 'a> {
    /// An interner that has seen nothing yet.
    pub fn new(btf: &'b Btf<'a>) -> Self {
        let none = || vec![UNSEEN; btf.type_count() as usize];
        Self {
            btf,
            seen: [none(), none()],
            members: Vec::new(),
            enumerators: Vec::new(),
            params: Vec::new(),
            name_bytes: 0,
            // A linker may let one name be another's end, but no more than that.
            name_limit: 2 * btf.string_len() + (1 << 16),
        }
    }

    /// Interns a type as a relocation's root: a typedef stays one, a modifier is skipped.
    ///
    /// # Errors
    /// When the type or one that it contains is malformed, contains itself, or is no type of data.
    pub fn root(&mut self, types: &mut Types, id: u32) -> Result<TypeRef, BtfError> {
        if id == VOID {
            return Ok(TypeRef::VOID);
        }
        let raw = self.btf.type_by_id(id)?;
        if raw.kind != Kind::Typedef {
            return self.follow(types, id, Place::Value, 0);
        }
        let target = self.follow(types, raw.size_or_type, Place::Value, 0)?;
        let name = self.name(types, &raw)?;
        Ok(types.add(Type::Typedef { name, target }))
    }

    fn name(&mut self, types: &mut Types, raw: &RawType<'_>) -> Result<Name, BtfError> {
        self.string(types, raw.name_off)
    }

    fn string(&mut self, types: &mut Types, offset: u32) -> Result<Name, BtfError> {
        if offset == 0 {
            return Ok(Name::EMPTY);
        }
        let name = self.btf.name(offset)?;
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
    fn skip(&self, mut id: u32) -> Result<(Option<RawType<'a>>, u32), BtfError> {
        for skipped in 0..MAX_CHAIN {
            if id == VOID {
                return Ok((None, skipped));
            }
            let raw = self.btf.type_by_id(id)?;
            if !(raw.kind.is_modifier() || raw.kind == Kind::Typedef) {
                return Ok((Some(raw), skipped));
            }
            id = raw.size_or_type;
        }
        Err(BtfError::TooDeep { id })
    }

    fn follow(&mut self, types: &mut Types, id: u32, place: Place, depth: u32) -> Result<TypeRef, BtfError> {
        let (Some(raw), _) = self.skip(id)? else { return Ok(TypeRef::VOID) };
        let slot = raw.id as usize;
        match self.seen[place as usize][slot] {
            UNSEEN => {}
            OPEN => return Err(BtfError::Cycle { id: raw.id }),
            known => return Ok(TypeRef(known - 1)),
        }
        if depth == MAX_DEPTH {
            return Err(BtfError::TooDeep { id: raw.id });
        }
        self.seen[place as usize][slot] = OPEN;
        let ty = self.define(types, &raw, place, depth + 1)?;
        self.seen[place as usize][slot] = ty.0 + 1;
        Ok(ty)
    }

    fn define(
        &mut self,
        types: &mut Types,
        raw: &RawType<'a>,
        place: Place,
        depth: u32,
    ) -> Result<TypeRef, BtfError> {
        let name = self.name(types, raw)?;
        Ok(match raw.kind {
            Kind::Int => types.add(Type::Int {
                name,
                size: raw.size_or_type,
                encoding: raw.int_encoding(),
                offset: raw.int_offset(),
                bits: raw.int_bits(),
            }),
            Kind::Float => types.add(Type::Float { name, size: raw.size_or_type }),
            Kind::Ptr => {
                let pointee = self.follow(types, raw.size_or_type, Place::Pointee, depth)?;
                types.add(Type::Ptr { pointee })
            }
            Kind::Array => {
                self.check_chain(raw)?;
                let element = self.follow(types, raw.array_element(), place, depth)?;
                types.add(Type::Array { element, len: raw.array_len() })
            }
            Kind::Struct | Kind::Union => {
                let kind = if raw.kind == Kind::Struct { Composite::Struct } else { Composite::Union };
                match place {
                    Place::Pointee => types.add(Type::Named { kind, name }),
                    Place::Value => self.composite(types, raw, kind, name, depth)?,
                }
            }
            Kind::Enum | Kind::Enum64 => {
                self.enumerators.clear();
                for (name_off, value) in raw.enumerators() {
                    let name = self.string(types, name_off)?;
                    self.enumerators.push(Enumerator { name, value });
                }
                let wide = raw.kind == Kind::Enum64;
                types.add_enum(name, raw.size_or_type, raw.kflag, wide, &self.enumerators)
            }
            Kind::Fwd => {
                let kind = if raw.kflag { Composite::Union } else { Composite::Struct };
                types.add(Type::Fwd { kind, name })
            }
            Kind::FuncProto => {
                let result = self.follow(types, raw.size_or_type, place, depth)?;
                let start = self.params.len();
                for (_, ty) in raw.params() {
                    let ty = self.follow(types, ty, place, depth)?;
                    self.params.push(ty);
                }
                let ty = types.add_func_proto(result, &self.params[start..]);
                self.params.truncate(start);
                ty
            }
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
        for (name_off, ty, bit_offset, bitfield_size) in raw.members() {
            let ty = self.follow(types, ty, Place::Value, depth)?;
            let name = self.string(types, name_off)?;
            self.members.push(Member { name, ty, bit_offset, bitfield_size });
        }
        let ty = types.add_composite(kind, name, raw.size_or_type, &self.members[start..]);
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
