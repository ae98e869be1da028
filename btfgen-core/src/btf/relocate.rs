//! Relocation of a module's BTF from its distilled base to the kernel's BTF, as libbpf's `btf_relocate.c`.
//!
//! A module that is built outside the kernel's tree carries, in `.BTF.base`, the name, kind and size of each kernel type that
//! its own types refer to. So its BTF outlives a new build of the kernel, in which these types have other ids.

use std::collections::HashMap;

use super::endian::u32_at;
use super::error::BtfError;
use super::ids::{StrOffset, TypeId};
use super::kind::Kind;
use super::name::shown_name;
use super::read::{Btf, MAX_CHAIN, NameReader, RawType};

/// Most types of one name in a distilled base; each is compared with each of the kernel's of that name.
const MAX_SAME_NAME: usize = 64;

/// Why a module's BTF does not fit a kernel's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelocateError {
    /// The module's BTF or its distilled base is malformed.
    #[error(transparent)]
    Btf(#[from] BtfError),
    /// A type that a distilled base cannot have.
    #[error(
        "type [{id}] of the distilled base has no name, or is of kind {kind}, which a distilled base does not contain"
    )]
    Unexpected {
        /// The type's id.
        id: TypeId,
        /// Its kind.
        kind: Kind,
    },
    /// The kernel has no type of that name that fits.
    #[error("the kernel has no {kind} {name} that fits the distilled base; the module is for another kernel")]
    Missing {
        /// The kind.
        kind: Kind,
        /// The name.
        name: String,
    },
    /// The kernel has several types of that name that fit.
    #[error("the kernel has several types {name} that fit {kind} {name} of the distilled base")]
    Ambiguous {
        /// The kind.
        kind: Kind,
        /// The name.
        name: String,
    },
    /// The distilled base has more types of one name than are compared (a limit of this reader).
    #[error("the distilled base has more than {limit} types {name}")]
    Repeated {
        /// The name.
        name: String,
        /// The limit.
        limit: usize,
    },
    /// A name of the module is inside the distilled base's strings, and is not the name of a type there.
    #[error("the string at offset {offset} is in the distilled base and is not the name of a type there")]
    String {
        /// The offset in bytes.
        offset: StrOffset,
    },
}

/// Rewrites a split BTF over a distilled base to one over the kernel's BTF.
///
/// # Errors
/// When a BTF is malformed, or when a type of the distilled base fits none or several of the kernel's.
pub fn relocate(split: &[u8], distilled: &[u8], kernel: &Btf<'_>) -> Result<Vec<u8>, RelocateError> {
    let distilled = Btf::parse(distilled)?;
    let parsed = Btf::parse_split(split, &distilled)?;
    let map = Map::new(&parsed, &distilled, kernel)?;
    let mut relocated = split.to_vec();
    for record in parsed.records() {
        let entries = entry_fields(record.kind);
        let fields =
            [Field::Name, Field::Other, if refers(record.kind) { Field::Type } else { Field::Other }];
        let fields = fields.iter().chain(entries.iter().cycle());
        for (at, field) in record.range.step_by(4).zip(fields) {
            let Some(word) = u32_at(split, at, parsed.endian()) else { break };
            let word = match field {
                Field::Name => map.name(StrOffset(word))?.0,
                Field::Type => map.id(TypeId(word))?.0,
                Field::Other => continue,
            };
            relocated[at..at + 4].copy_from_slice(&parsed.endian().bytes32(word));
        }
    }
    Ok(relocated)
}

/// A word of a type's record.
#[derive(Clone, Copy)]
enum Field {
    Name,
    Type,
    Other,
}

/// The words of each entry after the 12 bytes common to all types.
fn entry_fields(kind: Kind) -> &'static [Field] {
    match kind {
        Kind::Array => &[Field::Type, Field::Type, Field::Other],
        Kind::Struct | Kind::Union => &[Field::Name, Field::Type, Field::Other],
        Kind::Enum => &[Field::Name, Field::Other],
        Kind::Enum64 => &[Field::Name, Field::Other, Field::Other],
        Kind::FuncProto => &[Field::Name, Field::Type],
        Kind::Datasec => &[Field::Type, Field::Other, Field::Other],
        _ => &[Field::Other],
    }
}

/// Whether the third word is a type id and not a size.
fn refers(kind: Kind) -> bool {
    let refers = [Kind::Ptr, Kind::Typedef, Kind::Func, Kind::FuncProto, Kind::Var, Kind::DeclTag];
    kind.is_modifier() || refers.contains(&kind)
}

/// Where the types and strings of a distilled base and of the BTF over it are with the kernel as the base.
struct Map {
    /// For each type id of the distilled base that of the kernel.
    ids: Vec<TypeId>,
    /// For the name of each type of the distilled base that in the kernel.
    names: HashMap<StrOffset, StrOffset>,
    /// Number of types with the distilled base, and what is added to the ids after it.
    types: u32,
    shift: i64,
    /// Length of the distilled base's strings, and of the kernel's.
    string_len: usize,
    kernel_string_len: usize,
}

impl Map {
    /// Finds the distilled base's types in the kernel (`btf_relocate_map_distilled_base`).
    fn new(split: &Btf<'_>, distilled: &Btf<'_>, kernel: &Btf<'_>) -> Result<Self, RelocateError> {
        let mut by_name: HashMap<&[u8], Vec<RawType<'_>>> = HashMap::new();
        let mut distilled_names = NameReader::new(distilled);
        for ty in distilled.types() {
            if !is_distilled(ty.kind) || ty.name_off == StrOffset::EMPTY {
                return Err(RelocateError::Unexpected { id: ty.id, kind: ty.kind });
            }
            let same_name = by_name.entry(distilled_names.name(ty.name_off)?).or_default();
            if same_name.len() == MAX_SAME_NAME {
                return Err(RelocateError::Repeated { name: name_of(distilled, &ty), limit: MAX_SAME_NAME });
            }
            same_name.push(ty);
        }
        let embedded = embedded(split, distilled);
        let mut composites: HashMap<StrOffset, u32> = HashMap::new();
        for ty in kernel.named_types().filter(|ty| is_composite(ty.kind)) {
            *composites.entry(ty.name_off).or_default() += 1;
        }
        let mut kernel_names = NameReader::new(kernel);
        let mut ids = vec![TypeId::VOID; distilled.type_count() as usize];
        let mut names = HashMap::new();
        for ty in kernel.named_types() {
            let needs_size = match ty.kind {
                Kind::Int | Kind::Float | Kind::Enum | Kind::Enum64 => true,
                // Structs of one name are told apart by their size.
                Kind::Struct | Kind::Union => composites.get(&ty.name_off).is_some_and(|&count| count > 1),
                Kind::Fwd => false,
                _ => continue,
            };
            for wanted in by_name.get(kernel_names.name(ty.name_off)?).into_iter().flatten() {
                let known = ids[wanted.id.index()];
                let needs_size = needs_size || embedded[wanted.id.index()] && known == TypeId::VOID;
                if !fits(wanted, &ty) || needs_size && wanted.size() != ty.size() {
                    continue;
                }
                if known != TypeId::VOID {
                    let name = name_of(distilled, wanted);
                    return Err(RelocateError::Ambiguous { kind: wanted.kind, name });
                }
                ids[wanted.id.index()] = ty.id;
                names.insert(wanted.name_off, ty.name_off);
            }
        }
        if let Some(ty) = distilled.types().find(|ty| ids[ty.id.index()] == TypeId::VOID) {
            return Err(RelocateError::Missing { kind: ty.kind, name: name_of(distilled, &ty) });
        }
        Ok(Self {
            ids,
            names,
            types: split.type_count(),
            shift: i64::from(kernel.type_count()) - i64::from(distilled.type_count()),
            string_len: distilled.string_len(),
            kernel_string_len: kernel.string_len(),
        })
    }

    fn id(&self, id: TypeId) -> Result<TypeId, BtfError> {
        if let Some(&id) = self.ids.get(id.index()) {
            return Ok(id);
        }
        if id.0 >= self.types {
            return Err(BtfError::TypeId { id, count: self.types });
        }
        let id = u32::try_from(i64::from(id.0) + self.shift);
        Ok(TypeId(id.map_err(|_| BtfError::TooLarge("types"))?))
    }

    fn name(&self, offset: StrOffset) -> Result<StrOffset, RelocateError> {
        if offset == StrOffset::EMPTY {
            return Ok(offset);
        }
        let Some(own) = (offset.0 as usize).checked_sub(self.string_len) else {
            return self.names.get(&offset).copied().ok_or(RelocateError::String { offset });
        };
        let offset = u32::try_from(self.kernel_string_len + own);
        Ok(StrOffset(offset.map_err(|_| BtfError::TooLarge("string bytes"))?))
    }
}

fn name_of(btf: &Btf<'_>, ty: &RawType<'_>) -> String {
    shown_name(btf.string(ty.name_off).unwrap_or_default()).into_owned()
}

fn is_composite(kind: Kind) -> bool {
    matches!(kind, Kind::Struct | Kind::Union)
}

/// Whether a distilled base has types of that kind (`btf_relocate_validate_distilled_base`).
fn is_distilled(kind: Kind) -> bool {
    is_composite(kind) || matches!(kind, Kind::Int | Kind::Float | Kind::Enum | Kind::Fwd)
}

/// Whether a type of the distilled base can be a type of the kernel with the same name, sizes apart.
fn fits(distilled: &RawType<'_>, kernel: &RawType<'_>) -> bool {
    match (distilled.kind, kernel.kind) {
        (Kind::Fwd, Kind::Fwd) => distilled.kflag == kernel.kflag,
        // As libbpf and the kernel do, although the kind flag of a struct is about its bitfields.
        (Kind::Fwd, Kind::Struct) => !kernel.kflag,
        (Kind::Fwd, Kind::Union) => kernel.kflag,
        (Kind::Int, Kind::Int) => distilled.int_encoding() == kernel.int_encoding(),
        (Kind::Enum, kind) => matches!(kind, Kind::Enum | Kind::Enum64),
        // The kinds of structs and unions are not compared there.
        (Kind::Struct | Kind::Union, _) => true,
        (Kind::Float, kind) => kind == Kind::Float,
        _ => false,
    }
}

/// For each type of the distilled base, whether a struct or union of the module contains it by value, so that its size counts
/// (`btf_mark_embedded_composite_type_ids`).
fn embedded(split: &Btf<'_>, distilled: &Btf<'_>) -> Vec<bool> {
    let mut embedded = vec![false; distilled.type_count() as usize];
    for member in
        split.types().filter(|ty| is_composite(ty.kind)).flat_map(|ty| ty.members().collect::<Vec<_>>())
    {
        let mut id = member.ty;
        for _ in 0..MAX_CHAIN {
            let Ok(Some(ty)) = split.skip_mods_and_typedefs(id) else { break };
            if ty.kind == Kind::Array {
                id = ty.array_element();
                continue;
            }
            if let Some(embedded) = embedded.get_mut(ty.id.index()).filter(|_| is_composite(ty.kind)) {
                *embedded = true;
            }
            break;
        }
    }
    embedded
}
