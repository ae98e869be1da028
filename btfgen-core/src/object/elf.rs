//! The ELF side of an object: byte order, BTF sections, code, and programs and references from the symbol table.

use std::collections::BTreeMap;
use std::sync::Arc;

use object::elf;
use object::read::elf::{FileHeader, Rel, SectionHeader, SectionTable, Sym};
use object::{Endianness, FileKind};

use super::error::ObjectError;
use super::program::Program;
use super::reach::InsnIndex;
use super::references::{ElfSection, Reference, Symbol};
use crate::btf::Endian;

/// The used parts of an ELF file.
pub(super) struct Elf<'a> {
    pub(super) endian: Endian,
    pub(super) btf: Option<&'a [u8]>,
    pub(super) btf_ext: Option<&'a [u8]>,
    pub(super) programs: Vec<Program>,
    /// All sections, in the order of the file.
    pub(super) sections: Vec<ElfSection>,
    /// Instructions, by section.
    pub(super) code: BTreeMap<String, Vec<u8>>,
    /// Contents of sections with maps as `struct bpf_map_def`, by section.
    pub(super) legacy_maps: BTreeMap<String, Vec<u8>>,
    /// Contents of `.rodata` and `.rodata.*`, by section; empty if several have the same name.
    pub(super) rodata: BTreeMap<Arc<str>, &'a [u8]>,
    /// All symbols.
    pub(super) symbols: Vec<Symbol>,
    /// References of instructions, by section; each list is ordered by instruction.
    pub(super) references: BTreeMap<Arc<str>, Vec<Reference>>,
}

impl<'a> Elf<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, ObjectError> {
        match FileKind::parse(bytes).map_err(|error| ObjectError::Elf(error.to_string()))? {
            FileKind::Elf64 => Self::read::<elf::FileHeader64<Endianness>>(bytes),
            FileKind::Elf32 => Self::read::<elf::FileHeader32<Endianness>>(bytes),
            other => Err(ObjectError::Elf(format!("it is {other:?}"))),
        }
    }

    fn read<H: FileHeader<Endian = Endianness>>(bytes: &'a [u8]) -> Result<Self, ObjectError> {
        let damaged = |error: object::Error| ObjectError::Elf(error.to_string());
        let header = H::parse(bytes).map_err(damaged)?;
        let endian = header.endian().map_err(damaged)?;
        // Old compilers do not set the machine; libbpf's `bpf_object__elf_init` accepts that.
        let machine = header.e_machine(endian);
        if machine != elf::EM_BPF && machine != elf::EM_NONE {
            return Err(ObjectError::Machine(machine.0));
        }
        let kind = header.e_type(endian);
        if kind != elf::ET_REL {
            return Err(ObjectError::NotRelocatable(kind.0));
        }
        let table = header.sections(endian, bytes).map_err(damaged)?;
        let mut btf = None;
        let mut btf_ext = None;
        let mut sections = Vec::new();
        let mut budget = Budget(4 * bytes.len() + (1 << 16));
        let (mut code, mut legacy_maps) = (BTreeMap::new(), BTreeMap::new());
        let mut rodata: BTreeMap<Arc<str>, &'a [u8]> = BTreeMap::new();
        for section in table.iter() {
            let name = table.section_name(endian, section).map_err(damaged)?;
            match name {
                b".BTF" => btf = Some(section.data(endian, bytes).map_err(damaged)?),
                b".BTF.ext" => btf_ext = Some(section.data(endian, bytes).map_err(damaged)?),
                _ => {
                    let is_code = section.sh_flags(endian).contains(elf::SHF_EXECINSTR);
                    if is_code || name == b"maps" || name.starts_with(b"maps/") {
                        let bytes = section.data(endian, bytes).map_err(damaged)?;
                        let contents = if is_code { &mut code } else { &mut legacy_maps };
                        contents.insert(budget.text(name)?, budget.take(bytes)?.to_vec());
                    }
                }
            }
            let name: Arc<str> = budget.text(name)?.into();
            // libbpf makes a map of each (`bpf_object__elf_collect`).
            if *name == *".rodata" || name.starts_with(".rodata.") {
                let data = section.data(endian, bytes).unwrap_or_default();
                rodata.entry(Arc::clone(&name)).and_modify(|data| *data = &[]).or_insert(data);
            }
            sections.push(ElfSection { name, size: section.sh_size(endian).into() });
        }
        let symbols = table.symbols(endian, bytes, elf::SHT_SYMTAB).map_err(damaged)?;
        let mut programs = Vec::new();
        let mut all_symbols = Vec::new();
        for symbol in symbols.iter() {
            let name = symbol.name(endian, symbols.strings()).map_err(damaged)?;
            let index = symbol.st_shndx(endian);
            let section = sections.get(usize::from(index.0));
            let offset = symbol.st_value(endian).into();
            if let Some(section) = section.filter(|_| symbol.st_type() == elf::STT_FUNC) {
                programs.push(Program {
                    name: budget.text(name)?,
                    section: budget.text(section.name.as_bytes())?,
                    offset,
                    size: symbol.st_size(endian).into(),
                });
            }
            all_symbols.push(Symbol {
                name: budget.text(name)?.into(),
                section: section.filter(|_| index != elf::SHN_UNDEF).map(|section| Arc::clone(&section.name)),
                offset,
                weak: symbol.st_bind() == elf::STB_WEAK,
            });
        }
        let references = references(&table, endian, bytes, &sections, &code, all_symbols.len())?;
        programs.sort_by(|a, b| (&a.section, a.offset, &a.name).cmp(&(&b.section, b.offset, &b.name)));
        let endian = match endian {
            Endianness::Little => Endian::Little,
            Endianness::Big => Endian::Big,
        };
        let symbols = all_symbols;
        Ok(Self { endian, btf, btf_ext, programs, sections, code, legacy_maps, rodata, symbols, references })
    }
}

/// Reads the relocations of sections with code. As in libbpf's `bpf_object__collect_prog_relos`, each is a `SHT_REL` entry
/// whose symbol exists.
fn references<H: FileHeader<Endian = Endianness>>(
    table: &SectionTable<'_, H>,
    endian: Endianness,
    bytes: &[u8],
    sections: &[ElfSection],
    code: &BTreeMap<String, Vec<u8>>,
    symbol_count: usize,
) -> Result<BTreeMap<Arc<str>, Vec<Reference>>, ObjectError> {
    let damaged = |error: object::Error| ObjectError::Elf(error.to_string());
    let mut references: BTreeMap<Arc<str>, Vec<Reference>> = BTreeMap::new();
    let mut left = bytes.len();
    for section in table.iter() {
        let Some((entries, _)) = section.rel(endian, bytes).map_err(damaged)? else { continue };
        let Some(target) = sections.get(section.sh_info(endian) as usize) else { continue };
        let Some(code) = code.get(&*target.name) else { continue };
        // In a hostile file, sections may overlap.
        left = left
            .checked_sub(size_of_val(entries))
            .ok_or_else(|| ObjectError::Elf("its relocation sections overlap".to_owned()))?;
        let own = references.entry(Arc::clone(&target.name)).or_default();
        for entry in entries {
            let symbol = entry.r_sym(endian);
            let offset: u64 = entry.r_offset(endian).into();
            let insn = u32::try_from(offset).ok().filter(|&offset| (offset as usize) < code.len());
            let (Some(insn), true) = (insn, (symbol as usize) < symbol_count) else {
                let section = &target.name;
                return Err(ObjectError::Elf(format!("a relocation of section {section} is out of range")));
            };
            own.push(Reference { insn: InsnIndex::from_offset(insn), symbol });
        }
    }
    references.values_mut().for_each(|own| own.sort_by_key(|reference| reference.insn));
    Ok(references)
}

/// Bytes that may still be copied from a file: in a hostile file, sections and names may overlap.
struct Budget(usize);

impl Budget {
    fn take<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], ObjectError> {
        let left = self.0.checked_sub(bytes.len());
        self.0 = left.ok_or_else(|| ObjectError::Elf("its sections or names overlap".to_owned()))?;
        Ok(bytes)
    }

    fn text(&mut self, bytes: &[u8]) -> Result<String, ObjectError> {
        self.take(bytes).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}
