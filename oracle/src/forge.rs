//! Forged objects: ELF files with a BTF and relocations that no compiler would write.

use object::write::{Object, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, SectionFlags, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};

use crate::elf::Insn;
use crate::raw::Btf;

/// The section of all forged programs.
pub const SECTION: &str = "raw_tp";

/// A relocation to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Root type in the object's BTF.
    pub root: u32,
    /// Access string, such as `0:1`.
    pub access: String,
    /// Relocation kind.
    pub kind: u32,
    /// The instruction that is relocated.
    pub form: Form,
}

/// The instruction that a relocation patches, with the value that libbpf expects in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A 64-bit load of this immediate.
    Immediate(u64),
    /// A memory load of this many bytes (1, 2, 4 or 8) from this offset.
    Load(u32, i16),
}

impl Form {
    fn insns(self) -> Vec<Insn> {
        let half = |value: u64| u32::try_from(value & 0xffff_ffff).unwrap_or_default().cast_signed();
        match self {
            Self::Immediate(value) => vec![
                Insn { code: 0x18, regs: 0, off: 0, imm: half(value) },
                Insn { code: 0, regs: 0, off: 0, imm: half(value >> 32) },
            ],
            Self::Load(bytes, off) => {
                let size = match bytes {
                    1 => 0x10,
                    2 => 0x08,
                    4 => 0x00,
                    _ => 0x18,
                };
                vec![Insn { code: 0x61 | size, regs: 0x10, off, imm: 0 }]
            }
        }
    }
}

/// An ELF object with one program for each list of relocations, named `p0`, `p1` and so on.
///
/// # Panics
/// When it is too large for ELF's fields.
pub fn object(btf: &Btf, programs: &[Vec<Relocation>], big_endian: bool) -> Vec<u8> {
    let mut btf = btf.clone();
    let endian = if big_endian { Endianness::Big } else { Endianness::Little };
    let mut elf = Object::new(BinaryFormat::Elf, Architecture::Bpf, endian);
    let mut code = Vec::new();
    let mut records = Vec::new();
    let text = elf.add_section(Vec::new(), SECTION.into(), SectionKind::Text);
    for (number, relocations) in programs.iter().enumerate() {
        let start = code.len();
        for relocation in relocations {
            let access = btf.string(&relocation.access);
            let offset = u32::try_from(code.len()).expect("a small object");
            records.push([offset, relocation.root, access, relocation.kind]);
            relocation.form.insns().iter().for_each(|insn| code.extend(encode(insn, big_endian)));
        }
        code.extend(encode(&Insn { code: 0x95, ..Insn::default() }, big_endian));
        elf.add_symbol(Symbol {
            name: format!("p{number}").into_bytes(),
            value: start as u64,
            size: (code.len() - start) as u64,
            kind: SymbolKind::Text,
            scope: SymbolScope::Dynamic,
            weak: false,
            section: SymbolSection::Section(text),
            flags: SymbolFlags::None,
        });
    }
    elf.append_section_data(text, &code, 8);
    let ext = ext(&mut btf, &records, big_endian);
    for (name, bytes) in [(".BTF", btf.to_bytes(big_endian)), (".BTF.ext", ext)] {
        let section = elf.add_section(Vec::new(), name.into(), SectionKind::Other);
        elf.section_mut(section).flags = SectionFlags::None;
        elf.append_section_data(section, &bytes, 4);
    }
    elf.write().expect("a small object")
}

/// `.BTF.ext` without func info and line info.
fn ext(btf: &mut Btf, records: &[[u32; 4]], big_endian: bool) -> Vec<u8> {
    let word = |value: u32| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    let count = u32::try_from(records.len()).expect("a small object");
    let info = if records.is_empty() { 0 } else { 12 + count * 16 };
    let magic = if big_endian { [0xeb, 0x9f] } else { [0x9f, 0xeb] };
    let mut bytes = vec![magic[0], magic[1], 1, 0];
    for value in [32, 0, 0, 0, 0, 0, info] {
        bytes.extend(word(value));
    }
    if records.is_empty() {
        return bytes;
    }
    for value in [16, btf.string(SECTION), count].into_iter().chain(records.iter().flatten().copied()) {
        bytes.extend(word(value));
    }
    bytes
}

fn encode(insn: &Insn, big_endian: bool) -> [u8; 8] {
    let (regs, off, imm) = if big_endian {
        (insn.regs.rotate_left(4), insn.off.to_be_bytes(), insn.imm.to_be_bytes())
    } else {
        (insn.regs, insn.off.to_le_bytes(), insn.imm.to_le_bytes())
    };
    [insn.code, regs, off[0], off[1], imm[0], imm[1], imm[2], imm[3]]
}
