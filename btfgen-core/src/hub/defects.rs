//! Defects: what is bad about a BTF that parses, as checks without I/O.
//!
//! A check is certain: it never fires on a BTF as current tools encode it.

use std::collections::HashSet;
use std::fmt;
use std::ops::BitOrAssign;

use crate::btf::{Btf, Kind, MAX_CHAIN, RawType, TypeId};

/// What is bad about a kernel's BTF, or about that of one of its modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Defect {
    /// Enums of 8 bytes have values of 32 bits: the BTF was encoded without `BTF_KIND_ENUM64`, as pahole before 1.24
    /// does, and `pahole --skip_encoding_btf_enum64`.
    CutEnum,
    /// A module's BTF has no types.
    EmptyModule,
    /// Most structs and unions come more than once: the BTF was not deduplicated (`btf__dedup`).
    Undeduplicated,
    /// A struct or union of size 0 has members of another size.
    NoSize,
    /// The kernel's BTF has no struct `task_struct`.
    NoTaskStruct,
}

impl Defect {
    /// All defects, in the order of their bits.
    const ALL: [Self; 5] =
        [Self::CutEnum, Self::EmptyModule, Self::Undeduplicated, Self::NoSize, Self::NoTaskStruct];

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::CutEnum => "cut-enum",
            Self::EmptyModule => "empty-module",
            Self::Undeduplicated => "undeduplicated",
            Self::NoSize => "no-size",
            Self::NoTaskStruct => "no-task-struct",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CutEnum => "values of 64-bit enums are cut to 32 bits (encoded without enum64)",
            Self::EmptyModule => "the BTF of a module has no types",
            Self::Undeduplicated => "types are not deduplicated",
            Self::NoSize => "a struct with members has size 0",
            Self::NoTaskStruct => "struct task_struct is missing",
        })
    }
}

/// The defects of a kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Defects(u8);

impl Defects {
    /// The defects of a kernel's BTF, without its modules.
    pub fn of_kernel(btf: &Btf<'_>) -> Self {
        let mut defects = Self::of_types(btf);
        if !btf.named_types().any(|ty| is_task_struct(btf, ty)) {
            defects.insert(Defect::NoTaskStruct);
        }
        defects
    }

    /// The defects of a module's split BTF.
    pub fn of_module(split: &Btf<'_>) -> Self {
        let mut defects = Self::of_types(split);
        if split.types().next().is_none() {
            defects.insert(Defect::EmptyModule);
        }
        defects
    }

    /// The defects of a BTF's own types.
    fn of_types(btf: &Btf<'_>) -> Self {
        let mut defects = Self::default();
        for ty in btf.types() {
            match ty.kind {
                Kind::Enum if ty.size() == 8 => defects.insert(Defect::CutEnum),
                Kind::Struct | Kind::Union if ty.size() == 0 && has_sized_member(btf, ty) => {
                    defects.insert(Defect::NoSize);
                }
                _ => {}
            }
        }
        if is_undeduplicated(btf) {
            defects.insert(Defect::Undeduplicated);
        }
        defects
    }

    fn insert(&mut self, defect: Defect) {
        self.0 |= defect.bit();
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The defects, in a fixed order.
    pub fn iter(self) -> impl Iterator<Item = Defect> {
        Defect::ALL.into_iter().filter(move |defect| self.0 & defect.bit() != 0)
    }

    /// As the hub file stores them.
    pub(super) fn bits(self) -> u8 {
        self.0
    }

    /// Reverses [`Defects::bits`]; `None` if a bit is unknown.
    pub(super) fn from_bits(bits: u8) -> Option<Self> {
        let known = Defect::ALL.into_iter().fold(0, |known, defect| known | defect.bit());
        (bits & !known == 0).then_some(Self(bits))
    }
}

impl fmt::Display for Defects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, defect) in self.iter().enumerate() {
            write!(f, "{}{defect}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl BitOrAssign for Defects {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

fn is_task_struct(btf: &Btf<'_>, ty: RawType<'_>) -> bool {
    let name = b"task_struct";
    ty.kind == Kind::Struct && btf.string_up_to(ty.name_off, name.len() + 1).is_ok_and(|it| it == name)
}

fn has_sized_member(btf: &Btf<'_>, ty: RawType<'_>) -> bool {
    ty.members().any(|member| member.bit_offset != 0 || has_size(btf, member.ty))
}

/// Whether a type has a size other than 0. Structs of size 0 are usual: empty ones, and those around flexible arrays.
fn has_size(btf: &Btf<'_>, mut id: TypeId) -> bool {
    for _ in 0..MAX_CHAIN {
        let Ok(Some(ty)) = btf.skip_mods_and_typedefs(id) else { return false };
        match ty.kind {
            Kind::Array if ty.array_len() == 0 => return false,
            Kind::Array => id = ty.array_element(),
            Kind::Ptr => return true,
            _ => return ty.size() != 0,
        }
    }
    false
}

/// Whether more than half of the named structs and unions equal an earlier one in all but the ids of their members' types.
///
/// A deduplicated BTF has a few such pairs, of types that differ further down.
fn is_undeduplicated(btf: &Btf<'_>) -> bool {
    let named = btf.named_types().filter(|ty| matches!(ty.kind, Kind::Struct | Kind::Union) && ty.vlen != 0);
    let mut all = 0;
    let mut distinct = HashSet::new();
    for ty in named {
        let members = ty.members().flat_map(|member| [member.name.0, member.bit_offset]);
        let shape: Vec<u32> = [ty.name_off.0, ty.size()].into_iter().chain(members).collect();
        distinct.insert((ty.kind, shape));
        all += 1;
    }
    all > 2 * distinct.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::{Endian, Enumerator, Member, Writer};

    /// The defects of a kernel's BTF with `task_struct` and what `add` writes.
    fn defects(add: &dyn Fn(&mut Writer, TypeId)) -> Vec<Defect> {
        let mut out = Writer::new(Endian::Big);
        let int = out.int(b"int", 4, 1, 0, 32).unwrap();
        structure(&mut out, b"task_struct", 4, int);
        add(&mut out, int);
        let bytes = out.finish().unwrap();
        Defects::of_kernel(&Btf::parse(&bytes).unwrap()).iter().collect()
    }

    fn structure(out: &mut Writer, name: &[u8], size: u32, member: TypeId) -> TypeId {
        let members = [Member::new(b"m".as_slice(), member, 0)];
        out.composite(Kind::Struct, name, size, members.into_iter()).unwrap()
    }

    fn enumeration(out: &mut Writer, size: u32, wide: bool) {
        let values = [Enumerator { name: b"MASK".as_slice(), value: 0xf_ffff << 32 }];
        out.enumeration(b"", size, false, wide, values.into_iter()).unwrap();
    }

    #[test]
    fn a_usual_btf_has_none() {
        assert_eq!(defects(&|_, _| {}), []);
        assert_eq!(defects(&|out, _| enumeration(out, 8, true)), []);
        assert_eq!(defects(&|out, _| enumeration(out, 4, false)), []);
        let flexible = |out: &mut Writer, int| {
            let array = out.array(int, int, 0).unwrap();
            let constant = out.reference(Kind::Const, b"", array).unwrap();
            structure(out, b"flexible", 0, constant);
            let empty = out.composite(Kind::Struct, b"empty", 0, [].into_iter()).unwrap();
            structure(out, b"padding", 0, empty);
        };
        assert_eq!(defects(&flexible), []);
        let same_name = |out: &mut Writer, int| {
            for size in 4..24 {
                structure(out, b"same", size, int);
            }
        };
        assert_eq!(defects(&same_name), []);
    }

    #[test]
    fn finds_each() {
        assert_eq!(defects(&|out, _| enumeration(out, 8, false)), [Defect::CutEnum]);
        let no_size = |out: &mut Writer, int| {
            let alias = out.reference(Kind::Typedef, b"alias", int).unwrap();
            let array = out.array(alias, alias, 2).unwrap();
            structure(out, b"", 0, array);
        };
        assert_eq!(defects(&no_size), [Defect::NoSize]);
        let repeated = |out: &mut Writer, _| {
            for number in 0..9 {
                let int = out.int(b"int", 4, 1, 0, 32).unwrap();
                structure(out, if number % 3 == 0 { b"a" } else { b"b" }, 4, int);
            }
        };
        assert_eq!(defects(&repeated), [Defect::Undeduplicated]);
        let empty = Writer::new(Endian::Little).finish().unwrap();
        let empty = Btf::parse(&empty).unwrap();
        assert_eq!(Defects::of_kernel(&empty).to_string(), "struct task_struct is missing");
        assert_eq!(Defects::of_module(&empty).to_string(), "the BTF of a module has no types");
    }

    #[test]
    fn bits_are_stable() {
        for (bit, defect) in Defect::ALL.into_iter().enumerate() {
            assert_eq!(Defects::from_bits(1 << bit).unwrap().iter().collect::<Vec<_>>(), [defect]);
        }
        assert_eq!(Defects::from_bits(0x1f).unwrap().iter().count(), 5);
        assert_eq!(Defects::from_bits(0x20), None);
    }

    #[test]
    fn a_type_that_contains_itself_ends() {
        let circle = |out: &mut Writer, _| {
            let next = TypeId(out.next_id().0 + 1);
            out.reference(Kind::Typedef, b"a", next).unwrap();
            out.reference(Kind::Typedef, b"b", TypeId(next.0 - 1)).unwrap();
            structure(out, b"circle", 0, next);
            structure(out, b"missing", 0, TypeId(9999));
        };
        assert_eq!(defects(&circle), []);
    }
}
