//! The ELF side of an object: byte order, BTF sections, code, and programs from the symbol table.

use std::collections::BTreeMap;

use object::elf;
use object::read::elf::{FileHeader, SectionHeader, Sym};
use object::{Endianness, FileKind};

use super::error::ObjectError;
use super::program::Program;
use crate::btf::Endian;

/// The used parts of an ELF file.
pub(super) struct Elf<'a> {
    pub(super) endian: Endian,
    pub(super) btf: Option<&'a [u8]>,
    pub(super) btf_ext: Option<&'a [u8]>,
    pub(super) programs: Vec<Program>,
    /// Names of all sections.
    pub(super) sections: Vec<String>,
    /// Instructions, by section.
    pub(super) code: BTreeMap<String, Vec<u8>>,
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
        let mut code = BTreeMap::new();
        for section in table.iter() {
            let name = table.section_name(endian, section).map_err(damaged)?;
            match name {
                b".BTF" => btf = Some(section.data(endian, bytes).map_err(damaged)?),
                b".BTF.ext" => btf_ext = Some(section.data(endian, bytes).map_err(damaged)?),
                _ => {
                    if section.sh_flags(endian).contains(elf::SHF_EXECINSTR) {
                        let bytes = section.data(endian, bytes).map_err(damaged)?;
                        code.insert(budget.text(name)?, budget.take(bytes)?.to_vec());
                    }
                }
            }
            sections.push(budget.text(name)?);
        }
        let symbols = table.symbols(endian, bytes, elf::SHT_SYMTAB).map_err(damaged)?;
        let mut programs = Vec::new();
        for symbol in symbols.iter().filter(|symbol| symbol.st_type() == elf::STT_FUNC) {
            let name = symbol.name(endian, symbols.strings()).map_err(damaged)?;
            let Some(section) = sections.get(usize::from(symbol.st_shndx(endian).0)) else { continue };
            programs.push(Program {
                name: budget.text(name)?,
                section: budget.text(section.as_bytes())?,
                offset: symbol.st_value(endian).into(),
                size: symbol.st_size(endian).into(),
            });
        }
        programs.sort_by(|a, b| (&a.section, a.offset, &a.name).cmp(&(&b.section, b.offset, &b.name)));
        let endian = match endian {
            Endianness::Little => Endian::Little,
            Endianness::Big => Endian::Big,
        };
        Ok(Self { endian, btf, btf_ext, programs, sections, code })
    }
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
