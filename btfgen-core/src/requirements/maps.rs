//! Maps: their types and flags, from BTF (`.maps`), from `struct bpf_map_def` (`maps`) and from data sections.

use super::error::RequirementsError;
use super::names::{essential_name_of, name_of};
use crate::btf::{Btf, BtfError, Kind, RawType, TypeId, u32_at};
use crate::object::Object;

/// A map that the object creates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// Its name; for global data the section's.
    pub name: String,
    /// Its type and flags.
    pub kind: MapKind,
    /// The type and flags of the maps that it contains, if it is a map of maps with a definition of them.
    pub inner: Option<MapKind>,
    /// The section that defines it.
    pub section: String,
    /// What it implements; none if it is another kind of map.
    pub struct_ops: Option<StructOps>,
}

/// A kernel's struct of operations that a map implements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StructOps {
    /// Its name without flavor, such as `tcp_congestion_ops`.
    pub name: String,
    /// Names of its members in the object.
    pub members: Vec<String>,
}

impl Map {
    /// Whether it holds global data or kconfig values; its name is then the section's.
    pub fn is_global_data(&self) -> bool {
        self.name == self.section
    }
}

/// A map's type and flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MapKind {
    /// Its number in `enum bpf_map_type`.
    pub map_type: u32,
    /// Flags of `BPF_MAP_CREATE`.
    pub flags: u32,
}

impl MapKind {
    /// The type's name, such as `BPF_MAP_TYPE_HASH`; none if upstream has no type of that number.
    pub fn type_name(self) -> Option<&'static str> {
        MAP_TYPES.get(self.map_type as usize).copied().filter(|_| self.map_type != 0)
    }

    /// Names of the flags, and the rest as a number.
    pub fn flag_names(self) -> (Vec<&'static str>, u32) {
        let is_set = |(bit, _): &(usize, &&str)| self.flags & 1 << bit != 0;
        let names = MAP_FLAGS.iter().enumerate().filter(is_set).map(|(_, name)| *name).collect();
        (names, self.flags >> MAP_FLAGS.len() << MAP_FLAGS.len())
    }
}

/// `enum bpf_map_type`, by number.
#[rustfmt::skip]
const MAP_TYPES: [&str; 35] = [
    "BPF_MAP_TYPE_UNSPEC", "BPF_MAP_TYPE_HASH", "BPF_MAP_TYPE_ARRAY", "BPF_MAP_TYPE_PROG_ARRAY",
    "BPF_MAP_TYPE_PERF_EVENT_ARRAY", "BPF_MAP_TYPE_PERCPU_HASH", "BPF_MAP_TYPE_PERCPU_ARRAY",
    "BPF_MAP_TYPE_STACK_TRACE", "BPF_MAP_TYPE_CGROUP_ARRAY", "BPF_MAP_TYPE_LRU_HASH",
    "BPF_MAP_TYPE_LRU_PERCPU_HASH", "BPF_MAP_TYPE_LPM_TRIE", "BPF_MAP_TYPE_ARRAY_OF_MAPS",
    "BPF_MAP_TYPE_HASH_OF_MAPS", "BPF_MAP_TYPE_DEVMAP", "BPF_MAP_TYPE_SOCKMAP", "BPF_MAP_TYPE_CPUMAP",
    "BPF_MAP_TYPE_XSKMAP", "BPF_MAP_TYPE_SOCKHASH", "BPF_MAP_TYPE_CGROUP_STORAGE",
    "BPF_MAP_TYPE_REUSEPORT_SOCKARRAY", "BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE", "BPF_MAP_TYPE_QUEUE",
    "BPF_MAP_TYPE_STACK", "BPF_MAP_TYPE_SK_STORAGE", "BPF_MAP_TYPE_DEVMAP_HASH", "BPF_MAP_TYPE_STRUCT_OPS",
    "BPF_MAP_TYPE_RINGBUF", "BPF_MAP_TYPE_INODE_STORAGE", "BPF_MAP_TYPE_TASK_STORAGE",
    "BPF_MAP_TYPE_BLOOM_FILTER", "BPF_MAP_TYPE_USER_RINGBUF", "BPF_MAP_TYPE_CGRP_STORAGE",
    "BPF_MAP_TYPE_ARENA", "BPF_MAP_TYPE_INSN_ARRAY",
];

/// Flags of `BPF_MAP_CREATE`, by bit.
#[rustfmt::skip]
const MAP_FLAGS: [&str; 20] = [
    "BPF_F_NO_PREALLOC", "BPF_F_NO_COMMON_LRU", "BPF_F_NUMA_NODE", "BPF_F_RDONLY", "BPF_F_WRONLY",
    "BPF_F_STACK_BUILD_ID", "BPF_F_ZERO_SEED", "BPF_F_RDONLY_PROG", "BPF_F_WRONLY_PROG", "BPF_F_CLONE",
    "BPF_F_MMAPABLE", "BPF_F_PRESERVE_ELEMS", "BPF_F_INNER_MAP", "BPF_F_LINK", "BPF_F_PATH_FD",
    "BPF_F_VTYPE_BTF_OBJ_FD", "BPF_F_TOKEN_FD", "BPF_F_SEGV_ON_FAULT", "BPF_F_NO_USER_CONV",
    "BPF_F_RB_OVERWRITE",
];

const ARRAY: u32 = 2;
const STRUCT_OPS: u32 = 26;
const RDONLY_PROG: u32 = 1 << 7;
const LINK: u32 = 1 << 13;

/// The section of maps that are defined by BTF.
const MAPS_SECTION: &str = ".maps";

/// Finds all maps of an object.
pub(super) fn find(object: &Object, btf: &Btf<'_>) -> Result<Vec<Map>, RequirementsError> {
    let mut maps = Vec::new();
    for section in btf.types().filter(|ty| ty.kind == Kind::Datasec) {
        match name_of(btf, section.name_off)?.as_str() {
            MAPS_SECTION => {
                for variable in section.variables() {
                    maps.push(defined(btf, variable.ty)?);
                }
            }
            name @ (".struct_ops" | ".struct_ops.link") => {
                let flags = if name == ".struct_ops.link" { LINK } else { 0 };
                for variable in section.variables() {
                    let variable = btf.type_by_id(variable.ty)?;
                    let operations = skip_to(btf, variable.target(), Kind::Struct)?;
                    maps.push(Map {
                        name: name_of(btf, variable.name_off)?,
                        kind: MapKind { map_type: STRUCT_OPS, flags },
                        inner: None,
                        section: name.to_owned(),
                        struct_ops: operations.map(|it| struct_ops(btf, &it)).transpose()?,
                    });
                }
            }
            // Its variables are externs, so the ELF file has no such section.
            ".kconfig" => maps.push(data(".kconfig", RDONLY_PROG)),
            _ => {}
        }
    }
    legacy(object, &mut maps)?;
    for name in object.section_names() {
        if is_data(name, ".rodata") {
            maps.push(data(name, RDONLY_PROG));
        } else if is_data(name, ".data") || is_data(name, ".bss") {
            maps.push(data(name, 0));
        }
    }
    Ok(maps)
}

fn struct_ops(btf: &Btf<'_>, operations: &RawType<'_>) -> Result<StructOps, BtfError> {
    let members = operations.members().map(|member| name_of(btf, member.name));
    let name = essential_name_of(btf, operations.name_off)?;
    Ok(StructOps { name, members: members.collect::<Result<_, _>>()? })
}

/// Global data. libbpf leaves `BPF_F_MMAPABLE` out if the kernel does not know it (`bpf_object__sanitize_maps`).
fn data(section: &str, flags: u32) -> Map {
    let kind = MapKind { map_type: ARRAY, flags };
    Map { name: section.to_owned(), kind, inner: None, section: section.to_owned(), struct_ops: None }
}

fn is_data(section: &str, kind: &str) -> bool {
    section.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// A map that is defined by BTF (`bpf_object__init_user_btf_map`).
fn defined(btf: &Btf<'_>, variable: TypeId) -> Result<Map, RequirementsError> {
    let variable = btf.type_by_id(variable)?;
    let name = name_of(btf, variable.name_off)?;
    let malformed = |problem| RequirementsError::Map { map: name.clone(), problem };
    if variable.kind != Kind::Var {
        return Err(malformed("it is not a variable"));
    }
    let definition = skip_to(btf, variable.target(), Kind::Struct)?;
    let definition = definition.ok_or_else(|| malformed("its definition is not a struct"))?;
    let mut inner = None;
    let kind = kind(btf, &definition, |values| {
        if let Some(values) = pointed_struct(btf, values)? {
            inner = Some(self::kind(btf, &values, |_| Ok(()))?);
        }
        Ok(())
    })?;
    if kind.map_type == 0 {
        return Err(malformed("its type is not given"));
    }
    Ok(Map { name, kind, inner, section: MAPS_SECTION.to_owned(), struct_ops: None })
}

/// The type and flags of a definition (`parse_btf_map_def`); `values` is called with the type of its values' definition.
fn kind(
    btf: &Btf<'_>,
    definition: &RawType<'_>,
    mut values: impl FnMut(TypeId) -> Result<(), RequirementsError>,
) -> Result<MapKind, RequirementsError> {
    let mut kind = MapKind::default();
    for member in definition.members() {
        match name_of(btf, member.name)?.as_str() {
            "type" => kind.map_type = int(btf, member.ty)?.unwrap_or(0),
            "map_flags" => kind.flags = int(btf, member.ty)?.unwrap_or(0),
            "values" => values(member.ty)?,
            _ => {}
        }
    }
    Ok(kind)
}

/// A number in a definition: the length of an array that is pointed to (`get_map_field_int`).
fn int(btf: &Btf<'_>, field: TypeId) -> Result<Option<u32>, RequirementsError> {
    let Some(pointer) = skip_to(btf, field, Kind::Ptr)? else { return Ok(None) };
    let array = btf.type_by_id(pointer.target())?;
    Ok((array.kind == Kind::Array).then(|| array.array_len()))
}

/// The definition of the inner maps: the struct that the elements of `values` point to.
fn pointed_struct<'b>(btf: &Btf<'b>, values: TypeId) -> Result<Option<RawType<'b>>, RequirementsError> {
    let array = btf.type_by_id(values)?;
    if array.kind != Kind::Array {
        return Ok(None);
    }
    let Some(pointer) = skip_to(btf, array.array_element(), Kind::Ptr)? else { return Ok(None) };
    Ok(skip_to(btf, pointer.target(), Kind::Struct)?)
}

/// The type behind modifiers and typedefs, if it is of that kind.
fn skip_to<'b>(btf: &Btf<'b>, id: TypeId, kind: Kind) -> Result<Option<RawType<'b>>, BtfError> {
    Ok(btf.skip_mods_and_typedefs(id)?.filter(|ty| ty.kind == kind))
}

/// Maps as `struct bpf_map_def`, which libbpf read before version 1.0 and other loaders still do.
fn legacy(object: &Object, maps: &mut Vec<Map>) -> Result<(), RequirementsError> {
    for (section, bytes) in object.legacy_maps() {
        let symbols = object.symbols().iter().filter(|symbol| symbol.section.as_deref() == Some(section));
        for symbol in symbols.filter(|symbol| !symbol.name.is_empty()) {
            let truncated =
                || RequirementsError::Map { map: symbol.name.to_string(), problem: "it is truncated" };
            let at = usize::try_from(symbol.offset).map_err(|_| truncated())?;
            let word = |index: usize| {
                u32_at(bytes, at.saturating_add(4 * index), object.endian()).ok_or_else(truncated)
            };
            let kind = MapKind { map_type: word(0)?, flags: word(4)? };
            maps.push(Map {
                name: symbol.name.to_string(),
                kind,
                inner: None,
                section: section.to_owned(),
                struct_ops: None,
            });
        }
    }
    Ok(())
}
