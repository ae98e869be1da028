//! Settings: variables that the loader sets before the programs are loaded and that no program changes. They are those of
//! `.rodata` (`const volatile`) and `.kconfig` (`extern ... __kconfig`).
//!
//! The verifier knows their values and does not follow a branch that one of them rules out
//! (`bpf_map_direct_read`, since Linux 5.5). So what a setting guards is required under that setting only.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::elf::Elf;
use super::program;
use super::reach::{self, InsnIndex, Load};
use super::references::Symbol;
use super::relocations::{Relocation, Section};
use crate::btf::{Btf, Endian, Kind, Variable};
use crate::memo::Memo;

/// Bytes of an extern's name that are read.
const MAX_READ_NAME: usize = 1024;

/// A load of a setting: a variable of `.rodata` or `.kconfig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingLoad {
    /// The instruction, for which [`super::Patch::Value`] is the value that it loads.
    pub insn: InsnIndex,
    /// The variable's name, or its section's if it has none.
    pub name: Arc<str>,
    /// The offset of the load in the variable, in bytes.
    pub offset: u64,
    /// The number of bytes that are loaded.
    pub len: u8,
    /// The value if the loader does not change it, extended to 64 bits as the load does. None for a variable of `.kconfig`,
    /// which libbpf sets.
    pub initial: Option<u64>,
}

/// Finds the loads of settings, by section; each list is ordered by instruction.
///
/// A load counts only if it certainly reads a setting, and if no CO-RE relocation patches its offset.
pub(super) fn find(
    elf: &Elf<'_>,
    btf: &Btf<'_>,
    relocations: &[Relocation],
    sections: &[Section],
) -> BTreeMap<Arc<str>, Vec<SettingLoad>> {
    let mut found = BTreeMap::new();
    let regions = Regions::new(elf, btf);
    if regions.all.is_empty() {
        return found;
    }
    let mut relocated: BTreeMap<&str, Vec<InsnIndex>> = BTreeMap::new();
    for relocation in relocations {
        let insn = InsnIndex::from_offset(relocation.insn_offset);
        relocated.entry(&sections[relocation.section.index()].name).or_default().push(insn);
    }
    for (section, references) in &elf.references {
        let Some(code) = elf.code.get(&**section) else { continue };
        let symbol = |at: usize| &elf.symbols[references[at].symbol as usize];
        if !(0..references.len()).any(|at| regions.of(symbol(at)).is_some()) {
            continue;
        }
        let addresses = reach::insns(code, elf.endian).filter_map(|(insn, decoded)| {
            let at = references.binary_search_by_key(&insn, |reference| reference.insn).ok()?;
            Some((insn, regions.address(symbol(at), decoded.imm)?))
        });
        let addresses: Vec<(InsnIndex, u64)> = addresses.collect();
        let own = relocated.remove(&**section).unwrap_or_default();
        let own = own.into_iter().chain(references.iter().map(|reference| reference.insn));
        let entries = program::entries(&elf.programs, section);
        let loads = reach::loads_from(code, elf.endian, entries, own, &addresses);
        let loads: Vec<SettingLoad> = loads.into_iter().filter_map(|load| regions.setting(load)).collect();
        if !loads.is_empty() {
            found.insert(Arc::clone(section), loads);
        }
    }
    found
}

/// The regions of memory that hold settings, each at an address of its own.
struct Regions<'a> {
    endian: Endian,
    all: Vec<Region<'a>>,
    /// The regions of sections, by name.
    sections: Memo<&'a str, usize>,
    /// The regions of externs, by name.
    externs: Memo<&'a str, usize>,
}

/// A section, or a single extern: only libbpf knows which other one is next to it.
struct Region<'a> {
    len: u64,
    /// Offsets and names of the variables, ordered by offset.
    variables: Vec<(u64, Arc<str>)>,
    /// None for an extern.
    contents: Option<&'a [u8]>,
}

impl<'a> Regions<'a> {
    fn new(elf: &'a Elf<'_>, btf: &Btf<'_>) -> Self {
        let (sections, externs) = (Memo::default(), Memo::default());
        let mut regions = Self { endian: elf.endian, all: Vec::new(), sections, externs };
        for (name, contents) in &elf.rodata {
            regions.sections.insert(name, regions.all.len());
            let variables = vec![(0, Arc::clone(name))];
            regions.all.push(Region { len: contents.len() as u64, variables, contents: Some(contents) });
        }
        let kconfig = kconfig(btf);
        for symbol in elf.symbols.iter().filter(|symbol| !symbol.name.is_empty()) {
            let variable = (symbol.offset, Arc::clone(&symbol.name));
            if let Some(section) = &symbol.section {
                if let Some(&region) = regions.sections.get(&**section) {
                    regions.all[region].variables.push(variable);
                }
            } else if let Some(&len) = kconfig.get(symbol.name.as_bytes()) {
                regions.externs.insert(&symbol.name, regions.all.len());
                let variables = vec![(0, variable.1)];
                regions.all.push(Region { len: len.into(), variables, contents: None });
            }
        }
        regions.all.iter_mut().for_each(|region| region.variables.sort_by_key(|variable| variable.0));
        regions
    }

    /// The region that a symbol is in.
    fn of(&self, symbol: &Symbol) -> Option<usize> {
        match &symbol.section {
            Some(section) => self.sections.get(&**section).copied(),
            None => self.externs.get(&*symbol.name).copied(),
        }
    }

    /// The address that a 64-bit load of a symbol loads (`bpf_program__record_reloc`, `bpf_object__relocate_data`).
    fn address(&self, symbol: &Symbol, imm: i32) -> Option<u64> {
        let region = self.of(symbol)?;
        let offset = match symbol.section {
            Some(_) => symbol.offset.checked_add_signed(imm.into())?,
            // libbpf replaces the immediate.
            None => 0,
        };
        // No constant of a program is mistaken for an address: the verifier refuses a load from a constant.
        let start = (region as u64 + 1) << 32;
        (offset < self.all[region].len).then_some(start | offset)
    }

    /// The setting that is loaded from an address.
    fn setting(&self, load: Load) -> Option<SettingLoad> {
        let region = usize::try_from((load.address >> 32).checked_sub(1)?).ok()?;
        let Region { len, variables, contents } = self.all.get(region)?;
        let offset = load.address & u64::from(u32::MAX);
        let end = offset + u64::from(load.len);
        if end > *len {
            return None;
        }
        let after = variables.partition_point(|&(start, _)| start <= offset);
        let (start, name) = variables.get(after.checked_sub(1)?)?;
        let initial = contents.and_then(|contents| contents.get(offset as usize..end as usize));
        Some(SettingLoad {
            insn: load.insn,
            name: Arc::clone(name),
            offset: offset - start,
            len: load.len,
            initial: initial.map(|bytes| extended(bytes, load.is_signed, self.endian)),
        })
    }
}

/// Names and sizes of the variables of `.kconfig`. Malformed ones are left out: parsing an object does not depend on them.
fn kconfig<'a>(btf: &Btf<'a>) -> Memo<&'a [u8], u32> {
    let name = |at| btf.string_up_to(at, MAX_READ_NAME).ok();
    let mut found = Memo::default();
    for section in btf.types().filter(|ty| ty.kind == Kind::Datasec && name(ty.name_off) == Some(b".kconfig"))
    {
        let named = |variable: Variable| Some((name(btf.get(variable.ty)?.name_off)?, variable.size));
        found.extend(section.variables().filter_map(named));
    }
    found
}

/// A value in memory, extended to 64 bits.
fn extended(bytes: &[u8], is_signed: bool, endian: Endian) -> u64 {
    let append = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    let value = match endian {
        Endian::Little => bytes.iter().rev().fold(0, append),
        Endian::Big => bytes.iter().fold(0, append),
    };
    let unused_bits = 64 - 8 * bytes.len();
    if is_signed { (value.cast_signed() << unused_bits >> unused_bits).cast_unsigned() } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{ControlFlow, Object, Patch};

    const MOV_IMM64: u8 = 0xb7;

    fn object(folder: &str) -> Object {
        let path = format!("{}/../testdata/objects/{folder}/requirements.o", env!("CARGO_MANIFEST_DIR"));
        Object::parse("requirements", &std::fs::read(path).expect("a committed object")).expect("an object")
    }

    #[test]
    fn loads_of_settings_are_found() {
        for folder in ["el", "eb"] {
            let object = object(folder);
            let check = |section: &str, expect: &[(&str, u64, u8, Option<u64>)]| {
                let loads = object.setting_loads(section).iter();
                let found: Vec<_> =
                    loads.map(|load| (&*load.name, load.offset, load.len, load.initial)).collect();
                assert_eq!(found, expect, "{folder} {section}");
            };
            check("kprobe/do_unlinkat+8", &[("threshold", 0, 4, Some(3))]);
            check(
                "raw_tp/sys_enter",
                &[("CONFIG_CGROUPS", 0, 1, None), ("LINUX_KERNEL_VERSION", 0, 4, None)],
            );
            // In two loads of a static variable; the load of `disabled` in `.bss` is not one.
            check(
                "raw_tp/sys_exit",
                &[
                    ("with_cgroup", 0, 1, Some(0)),
                    ("min_level", 0, 2, Some(0xfffd)),
                    ("min_level", 0, 2, Some(0xfffd)),
                    ("filter", 6, 1, Some(7)),
                ],
            );
            check(
                "raw_tp/sched_switch",
                &[
                    ("LINUX_KERNEL_VERSION", 0, 4, None),
                    ("threshold", 0, 4, Some(3)),
                    ("threshold", 0, 4, Some(3)),
                ],
            );
            check(".text", &[("filter", 0, 4, Some(0)), ("filter", 0, 4, Some(0))]);
            check("tc", &[]);
        }
    }

    /// The helpers of a section that can run, by number.
    fn helpers(object: &Object, section: &str, patches: &[(InsnIndex, Patch)]) -> Vec<i32> {
        let reachable = object.control_flow(section).reachable(patches.iter().copied());
        let calls = object.insns(section).filter(|(_, insn)| insn.is_call() && insn.src == 0);
        calls.filter(|(at, _)| reachable.contains(*at)).map(|(_, insn)| insn.imm).collect()
    }

    #[test]
    fn settings_guard_helpers() {
        for folder in ["el", "eb"] {
            let object = object(folder);
            let check = |section: &str, settings: &[(&str, u64)], expect: &[i32]| {
                let patch = |load: &SettingLoad| {
                    let (_, value) = settings.iter().find(|(name, _)| *name == &*load.name)?;
                    Some((load.insn, Patch::Value(*value)))
                };
                let patches: Vec<_> = object.setting_loads(section).iter().filter_map(patch).collect();
                assert_eq!(helpers(&object, section, &patches), expect, "{folder} {section} {settings:?}");
            };
            let all = [80, 125, 5, 44];
            check("raw_tp/sys_exit", &[], &all);
            check("raw_tp/sys_exit", &[("with_cgroup", 1)], &all);
            check("raw_tp/sys_exit", &[("with_cgroup", 0)], &[125, 5, 44]);
            check("raw_tp/sys_exit", &[("min_level", 0xfffd)], &all);
            check("raw_tp/sys_exit", &[("min_level", 1)], &[80, 5, 44]);
            check("raw_tp/sys_exit", &[("filter", 7)], &all);
            check("raw_tp/sys_exit", &[("filter", 0), ("with_cgroup", 0)], &[125, 44]);
            check("raw_tp/sched_switch", &[], &[5, 125]);
            check("raw_tp/sched_switch", &[("LINUX_KERNEL_VERSION", 0x50aff)], &[]);
            check("raw_tp/sched_switch", &[("LINUX_KERNEL_VERSION", 0x50b00)], &[5, 125]);
            check("raw_tp/sched_switch", &[("threshold", 3)], &[5]);
            check("raw_tp/sched_switch", &[("threshold", 0)], &[]);
            check(".text", &[("filter", 0)], &[125, 80, 80]);
            check(".text", &[("filter", 1)], &[125, 80]);
        }
    }

    #[test]
    fn a_patched_setting_is_as_a_constant_in_its_place() {
        for folder in ["el", "eb"] {
            let object = object(folder);
            for section in object.code_sections() {
                let loads = || object.setting_loads(section).iter();
                let value = |load: &SettingLoad| load.initial.unwrap_or(1);
                let patches = loads().map(|load| (load.insn, Patch::Value(value(load))));
                let mut code = object.code(section).to_vec();
                for load in loads() {
                    let insn = &mut code[load.insn.offset() as usize..][..8];
                    insn[0] = MOV_IMM64;
                    let imm = value(load) as u32;
                    insn[4..].copy_from_slice(&match object.endian() {
                        Endian::Little => imm.to_le_bytes(),
                        Endian::Big => imm.to_be_bytes(),
                    });
                    insn[2..4].fill(0);
                }
                let entries = program::entries(object.programs(), section);
                let addresses = object.references(section).iter().map(|reference| reference.insn);
                let constant =
                    ControlFlow::new(&code, object.endian(), entries, addresses, std::iter::empty());
                let reached = object.control_flow(section).reachable(patches);
                assert_eq!(reached, constant.reachable([]), "{folder} {section}");
            }
        }
    }

    #[test]
    fn values_are_extended() {
        let check = |bytes: &[u8], is_signed: bool, little: i64, big: i64| {
            let found = |endian| extended(bytes, is_signed, endian).cast_signed();
            assert_eq!((found(Endian::Little), found(Endian::Big)), (little, big), "{bytes:x?} {is_signed}");
        };
        check(&[0xff], false, 255, 255);
        check(&[0xff], true, -1, -1);
        check(&[0xfe, 0x01], true, 0x1fe, -0x1ff);
        check(&[0xfe, 0x01], false, 0x1fe, 0xfe01);
        check(&[0xff; 8], false, -1, -1);
    }
}
